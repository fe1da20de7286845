package io.mla4j.engine.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.Json;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** JSON as plain values: Map, List, String, Number, Boolean and null. */
public final class PlainJson {
  /** Levels of lists and objects within each other. */
  public static final int MOST_NESTED = 128;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(MOST_NESTED).build())
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .build();

  private PlainJson() {}

  /**
   * The value of a text.
   *
   * @throws InvalidArgumentException where it is no JSON, or nested too deep
   */
  public static @Nullable Object parse(String text) {
    try (JsonParser parser = FACTORY.createParser(text)) {
      if (parser.nextToken() == null) {
        throw new InvalidArgumentException("an empty text is no JSON");
      }
      Object value = value(Json.readNode(parser));
      if (parser.nextToken() != null) {
        throw new InvalidArgumentException("the JSON text goes on after its value");
      }
      return value;
    } catch (JsonProcessingException e) {
      throw new InvalidArgumentException(
          "the text is no JSON: "
              + e.getOriginalMessage().replaceAll("\\s+", " ")
              + " (line "
              + (e.getLocation() == null ? 0 : e.getLocation().getLineNr())
              + ")");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * An object of a tree as plain values.
   *
   * @throws InvalidArgumentException where a number is too large for a double
   */
  public static Map<String, @Nullable Object> map(JsonNode object) {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    object.properties().forEach(entry -> map.put(entry.getKey(), value(entry.getValue())));
    return map;
  }

  private static @Nullable Object value(JsonNode node) {
    return switch (node.getNodeType()) {
      case OBJECT -> map(node);
      case ARRAY -> {
        List<@Nullable Object> list = new ArrayList<>();
        node.forEach(item -> list.add(value(item)));
        yield list;
      }
      case STRING -> node.textValue();
      case NUMBER -> number(node);
      case BOOLEAN -> node.booleanValue();
      default -> null;
    };
  }

  private static Number number(JsonNode node) {
    if (node.isFloatingPointNumber() && !Double.isFinite(node.doubleValue())) {
      throw new InvalidArgumentException("a number of the JSON text is too large for a double");
    }
    return node.isInt() ? (Number) node.longValue() : node.numberValue();
  }

  /**
   * A value without white space; text as it is but for what JSON escapes.
   *
   * @throws InvalidArgumentException where it is no plain value
   */
  public static String write(@Nullable Object value) {
    StringWriter text = new StringWriter();
    try (JsonGenerator out = FACTORY.createGenerator(text)) {
      write(value, out, 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private static void write(@Nullable Object value, JsonGenerator out, int depth)
      throws IOException {
    if (depth > MOST_NESTED) {
      throw new InvalidArgumentException("a value is nested more than " + MOST_NESTED);
    }
    switch (value) {
      case null -> out.writeNull();
      case Boolean flag -> out.writeBoolean(flag);
      case Integer number -> out.writeNumber(number);
      case Long number -> out.writeNumber(number);
      case BigInteger number -> out.writeNumber(number);
      case BigDecimal number -> out.writeNumber(number);
      case Number number -> out.writeNumber(number.doubleValue());
      case String text -> out.writeString(text);
      case List<?> list -> {
        out.writeStartArray();
        for (Object item : list) {
          write(item, out, depth + 1);
        }
        out.writeEndArray();
      }
      case Map<?, ?> map -> {
        out.writeStartObject();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          out.writeFieldName(String.valueOf(entry.getKey()));
          write(entry.getValue(), out, depth + 1);
        }
        out.writeEndObject();
      }
      default ->
          throw new InvalidArgumentException(
              "a value of the class " + value.getClass().getName() + " is no plain value");
    }
  }
}
