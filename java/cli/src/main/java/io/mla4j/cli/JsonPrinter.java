package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;

/** Prints one JSON object on one line. */
final class JsonPrinter {
  /** What goes into the object. */
  @FunctionalInterface
  interface Content {
    /** Writes the fields. */
    void write(JsonGenerator json) throws IOException;
  }

  private JsonPrinter() {}

  static void print(PrintStream out, Content content) throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      json.writeStartObject();
      content.write(json);
      json.writeEndObject();
    }
    out.println(text);
  }
}
