package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequestParameters;
import io.mla4j.engine.Request;
import io.mla4j.text.SamplingOptions;
import java.time.Duration;
import java.util.Map;

/**
 * How answers are generated: the settings that LangChain4j has no parameter for, and those it has.
 */
final class Generation {
  long seed;
  Boolean thinking;
  Duration timeout;
  String tenant = "";

  Generation copy() {
    Generation copy = new Generation();
    copy.seed = seed;
    copy.thinking = thinking;
    copy.timeout = timeout;
    copy.tenant = tenant;
    return copy;
  }

  Request.Builder request(ChatRequestParameters parameters) {
    Request.Builder request =
        Request.builder().tenant(tenant).deadline(timeout).sampling(sampling(parameters));
    if (parameters.maxOutputTokens() != null) {
      request.maxTokens(parameters.maxOutputTokens());
    }
    if (parameters.stopSequences() != null) {
      request.stopTexts(parameters.stopSequences());
    }
    return request;
  }

  private SamplingOptions sampling(ChatRequestParameters parameters) {
    SamplingOptions.Penalties penalties =
        new SamplingOptions.Penalties(
            1, orElse(parameters.presencePenalty(), 0), orElse(parameters.frequencyPenalty(), 0));
    return new SamplingOptions(
        orElse(parameters.temperature(), 0),
        parameters.topK() == null ? 0 : parameters.topK(),
        orElse(parameters.topP(), 1),
        0,
        penalties,
        Map.of(),
        seed);
  }

  private static double orElse(Double value, double other) {
    return value == null ? other : value;
  }
}
