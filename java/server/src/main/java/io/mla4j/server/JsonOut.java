package io.mla4j.server;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;

/** Writes JSON. */
final class JsonOut {
  private static final JsonFactory FACTORY =
      new JsonFactory().configure(JsonGenerator.Feature.AUTO_CLOSE_TARGET, false);

  private JsonOut() {}

  /** What goes into an object. */
  @FunctionalInterface
  interface Content {
    /** Writes the fields. */
    void write(JsonGenerator json) throws IOException;
  }

  /** Appends an object. */
  static void write(OutputStream out, Content content) throws IOException {
    try (JsonGenerator json = FACTORY.createGenerator(out)) {
      json.writeStartObject();
      content.write(json);
      json.writeEndObject();
    }
  }

  /** An object. */
  static byte[] bytes(Content content) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      write(out, content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  /** The object that tells of an error. */
  static Content error(ApiException e) {
    return json -> {
      json.writeObjectFieldStart("error");
      json.writeStringField("message", e.getMessage());
      json.writeStringField("type", e.type());
      json.writeStringField("param", e.field());
      json.writeStringField("code", e.code());
      json.writeEndObject();
    };
  }
}
