package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.Usage;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;

/** Tokens of all texts of a request: those of a prompt count once. Belongs to one thread. */
final class Totals {
  private final Set<Integer> prompts = new HashSet<>();
  private int prompt;
  private int cached;
  private int generated;
  private int reasoning;

  /** A text ended. */
  void add(int request, Usage usage) {
    if (prompts.add(request)) {
      prompt += usage.promptTokens();
      cached += usage.cachedTokens();
    }
    generated += usage.generatedTokens();
  }

  /** A token was one of the model's thoughts. */
  void thought() {
    reasoning++;
  }

  /** Writes them as chat completions and completions do. */
  void write(JsonGenerator json) throws IOException {
    json.writeObjectFieldStart("usage");
    json.writeNumberField("prompt_tokens", prompt);
    json.writeNumberField("completion_tokens", generated);
    json.writeNumberField("total_tokens", prompt + generated);
    json.writeObjectFieldStart("prompt_tokens_details");
    json.writeNumberField("cached_tokens", cached);
    json.writeEndObject();
    json.writeObjectFieldStart("completion_tokens_details");
    json.writeNumberField("reasoning_tokens", reasoning);
    json.writeEndObject();
    json.writeEndObject();
  }

  /** Writes them as responses do. */
  void writeAsResponse(JsonGenerator json) throws IOException {
    json.writeObjectFieldStart("usage");
    json.writeNumberField("input_tokens", prompt);
    json.writeObjectFieldStart("input_tokens_details");
    json.writeNumberField("cached_tokens", cached);
    json.writeEndObject();
    json.writeNumberField("output_tokens", generated);
    json.writeObjectFieldStart("output_tokens_details");
    json.writeNumberField("reasoning_tokens", reasoning);
    json.writeEndObject();
    json.writeNumberField("total_tokens", prompt + generated);
    json.writeEndObject();
  }
}
