package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.Event;
import io.mla4j.engine.TokenLogprob;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Tokens as their texts, with their logarithms. */
final class TokenTexts {
  private static final char REPLACEMENT = '\uFFFD';

  /** OpenAI's numbers are no smaller. */
  private static final float LEAST = -9999;

  private final EngineModel model;

  TokenTexts(EngineModel model) {
    this.model = model;
  }

  String text(int id) {
    return model.tokenizer().decode(new int[] {id}, false);
  }

  /** An item of {@code logprobs.content} of chat completions. */
  void write(JsonGenerator json, Event.Token token) throws IOException {
    json.writeStartObject();
    writeToken(json, token.id(), token.logprob().logprob());
    json.writeArrayFieldStart("top_logprobs");
    for (TokenLogprob.Top top : token.logprob().top()) {
      json.writeStartObject();
      writeToken(json, top.id(), top.logprob());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private void writeToken(JsonGenerator json, int id, float logprob) throws IOException {
    String text = text(id);
    json.writeStringField("token", text);
    json.writeNumberField("logprob", finite(logprob));
    if (text.indexOf(REPLACEMENT) >= 0) {
      json.writeNullField("bytes");
      return;
    }
    json.writeArrayFieldStart("bytes");
    for (byte one : text.getBytes(StandardCharsets.UTF_8)) {
      json.writeNumber(one & 0xff);
    }
    json.writeEndArray();
  }

  /** JSON has no infinity. */
  static float finite(float logprob) {
    return Math.max(LEAST, logprob);
  }
}
