package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.text.Model;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.util.Locale;

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

  /** JSON in lines, with indentation. */
  static String text(Content content) throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text).useDefaultPrettyPrinter()) {
      content.write(json);
    }
    return text + System.lineSeparator();
  }

  /** How a model computes, as {@link Model#summary} says in a line. */
  static void writeFigures(JsonGenerator json, Model model) throws IOException {
    json.writeStringField("backend", model.device().backend());
    json.writeStringField("isa", model.device().isa());
    json.writeStringField("form", lower(model.options().form()));
    json.writeStringField("computeType", lower(model.options().compute()));
    json.writeStringField("cacheType", lower(model.options().cacheType()));
    json.writeNumberField("threads", model.device().threads());
  }

  private static String lower(Object value) {
    return value.toString().toLowerCase(Locale.ROOT);
  }
}
