package io.mla4j.model;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON as the files of a model use it: strict, duplicate keys refused, bounded depth and size. */
final class Json {
  /** NaN and Infinity are read, so that the key that holds one can be named. */
  static final JsonMapper MAPPER =
      JsonMapper.builder(
              com.fasterxml.jackson.core.JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(64)
                          .maxNumberLength(400)
                          .maxStringLength(1 << 20)
                          .build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS.mappedFeature())
          .build();

  private Json() {}

  /**
   * The object in {@code file}.
   *
   * @throws CheckpointException where the file is missing, no regular file, larger than {@code
   *     limit} bytes or no JSON object
   */
  static JsonNode readObject(Path file, long limit) {
    requireFile(file);
    try {
      long size = Files.size(file);
      if (size > limit) {
        throw new CheckpointException(
            file + ": has " + size + " bytes, but at most " + limit + " are read");
      }
      try (InputStream in = Files.newInputStream(file)) {
        JsonNode node = MAPPER.readTree(in);
        if (node == null || !node.isObject()) {
          throw new CheckpointException(file + ": does not hold a JSON object");
        }
        return node;
      }
    } catch (JsonProcessingException e) {
      throw malformed(file.toString(), e);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
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

  /** Checks that {@code file} is there and a regular file, so that reading it ends. */
  static void requireFile(Path file) {
    if (!Files.exists(file)) {
      throw new CheckpointException(file + ": does not exist");
    }
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(file + ": is not a regular file");
    }
  }
}
