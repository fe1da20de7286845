package io.mla4j.server;

import io.mla4j.engine.Running;
import java.io.IOException;
import java.util.List;
import java.util.Locale;

/** The texts that are being written or wait, without what is in them. */
final class Slots {
  private static final double MILLIS = 1000;

  private Slots() {}

  static void show(Call call) throws IOException {
    List<Running> running = call.service().engine().running();
    call.json(
        200,
        json -> {
          json.writeArrayFieldStart("slots");
          for (Running one : running) {
            json.writeStartObject();
            json.writeNumberField("request", one.request());
            json.writeNumberField("choice", one.choice());
            json.writeStringField("state", one.state().name().toLowerCase(Locale.ROOT));
            json.writeNumberField("prompt_tokens", one.usage().promptTokens());
            json.writeNumberField("cached_tokens", one.usage().cachedTokens());
            json.writeNumberField("generated_tokens", one.usage().generatedTokens());
            json.writeNumberField("age_seconds", one.age().toMillis() / MILLIS);
            json.writeEndObject();
          }
          json.writeEndArray();
        });
  }
}
