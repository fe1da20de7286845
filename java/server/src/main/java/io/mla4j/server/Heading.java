package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/**
 * What every piece of an answer begins with.
 *
 * @param id of the answer
 * @param created in seconds since 1970
 */
record Heading(String id, long created, String model) {
  /** That of a new answer. */
  static Heading of(String prefix, Service service) {
    return new Heading(newId(prefix), Instant.now().getEpochSecond(), service.modelName());
  }

  /** An id that no other thing has. */
  static String newId(String prefix) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    HexFormat hex = HexFormat.of();
    return prefix + hex.toHexDigits(random.nextLong()) + hex.toHexDigits(random.nextInt());
  }

  /** Writes it. */
  void write(JsonGenerator json, String object) throws IOException {
    json.writeStringField("id", id);
    json.writeStringField("object", object);
    json.writeNumberField("created", created);
    json.writeStringField("model", model);
  }
}
