package io.mla4j.spark;

import io.mla4j.engine.Request;
import io.mla4j.text.SamplingOptions;
import java.io.Serializable;
import java.util.List;

/**
 * What an executor is told: which model, and how to continue its rows.
 *
 * @param input the index of the prompt's column
 * @param prefix what comes before each prompt
 * @param stopTexts texts that end a text
 */
record Job(
    EngineKey engine,
    int input,
    String prefix,
    int maxTokens,
    double temperature,
    int topK,
    double topP,
    long seed,
    List<String> stopTexts)
    implements Serializable {

  Request request(String prompt) {
    return Request.builder()
        .prompt(prefix + prompt)
        .maxTokens(maxTokens)
        .sampling(new SamplingOptions(temperature, topK, topP, 0, 1, seed))
        .stopTexts(stopTexts)
        .build();
  }
}
