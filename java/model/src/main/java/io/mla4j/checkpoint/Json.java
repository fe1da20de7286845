package io.mla4j.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * JSON as the files of a model use it: strict, duplicate keys refused, bounded depth and size.
 *
 * <p>Trees are put together here and not by an {@code ObjectMapper}, which takes as long to make as
 * the JVM takes to start.
 */
public final class Json {
  /** NaN and Infinity are read, so that the key that holds one can be named. */
  static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(64)
                  .maxNumberLength(400)
                  .maxStringLength(1 << 20)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .build();

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private Json() {}

  /**
   * The object in {@code file}.
   *
   * @throws CheckpointException where the file is missing, no regular file, larger than {@code
   *     limit} bytes or no JSON object
   */
  public static ObjectNode readObject(Path file, long limit) {
    requireFile(file);
    try {
      long size = Files.size(file);
      if (size > limit) {
        throw new CheckpointException(
            file + ": has " + size + " bytes, but at most " + limit + " are read");
      }
      try (InputStream in = Files.newInputStream(file)) {
        return readObject(file.toString(), in);
      }
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
  }

  /**
   * The object in {@code in}.
   *
   * @param where what messages call it
   * @throws CheckpointException where it is no JSON object
   */
  public static ObjectNode readObject(String where, InputStream in) throws IOException {
    try (JsonParser parser = FACTORY.createParser(in)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new CheckpointException(where + ": does not hold a JSON object");
      }
      JsonNode node = readNode(parser);
      if (parser.nextToken() != null) {
        throw new CheckpointException(where + ": goes on after its JSON object");
      }
      return (ObjectNode) node;
    } catch (JsonProcessingException e) {
      throw malformed(where, e);
    }
  }

  /** The value that begins with the parser's current token. */
  public static JsonNode readNode(JsonParser parser) throws IOException {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        ObjectNode object = NODES.objectNode();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String key = parser.currentName();
          parser.nextToken();
          object.set(key, readNode(parser));
        }
        yield object;
      }
      case START_ARRAY -> {
        ArrayNode array = NODES.arrayNode();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          array.add(readNode(parser));
        }
        yield array;
      }
      case VALUE_STRING -> NODES.textNode(parser.getText());
      case VALUE_NUMBER_INT ->
          switch (parser.getNumberType()) {
            case INT -> NODES.numberNode(parser.getIntValue());
            case LONG -> NODES.numberNode(parser.getLongValue());
            default -> NODES.numberNode(parser.getBigIntegerValue());
          };
      case VALUE_NUMBER_FLOAT -> NODES.numberNode(parser.getDoubleValue());
      case VALUE_TRUE, VALUE_FALSE -> NODES.booleanNode(parser.getBooleanValue());
      default -> NODES.nullNode();
    };
  }

  /** What {@code where} is not, with the parser's words and place. */
  static CheckpointException malformed(String where, JsonProcessingException e) {
    String place =
        e.getLocation() == null
            ? ""
            : " at line "
                + e.getLocation().getLineNr()
                + ", column "
                + e.getLocation().getColumnNr();
    String kind = e instanceof JsonParseException ? "" : "too large or too deep: ";
    return new CheckpointException(
        where + ": is not valid JSON" + place + ": " + kind + Quote.line(e.getOriginalMessage()),
        e);
  }

  /**
   * Checks that {@code file} is there, a regular file, so that reading it ends, and no {@link
   * Placeholder}.
   */
  public static void requireFile(Path file) {
    if (!Files.exists(file)) {
      throw new CheckpointException(file + ": does not exist");
    }
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(file + ": is not a regular file");
    }
    Placeholder.refuse(file);
  }
}
