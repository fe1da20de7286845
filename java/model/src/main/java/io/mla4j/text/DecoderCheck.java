package io.mla4j.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Refuses a tokenizer.json whose {@code decoder} is not the JSON that the native library takes:
 * tokenizers 0.21 does not return an error there but panics, and a panic ends the process.
 * Everything else in the file is left to the library, which says what is wrong with it.
 *
 * <p>The file is looked through for the keys of its outermost object, whose values are skipped by
 * their brackets and strings alone: up to the first byte that is no JSON, where the library stops,
 * that finds every decoder that it reads.
 */
final class DecoderCheck {
  private static final String KEY = "decoder";

  /** The library refuses what is nested deeper than 128. */
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(64).maxNumberLength(400).build())
          .build();

  private final byte[] json;
  private int at;

  private DecoderCheck(byte[] json) {
    this.json = json;
  }

  /**
   * Looks through a tokenizer.json.
   *
   * @throws IOException saying what is wrong with its decoder
   */
  static void check(byte[] json) throws IOException {
    new DecoderCheck(json).run();
  }

  private void run() throws IOException {
    int depth = 0;
    String key = "";
    int value = -1;
    for (; at < json.length; at++) {
      switch (json[at]) {
        case '"' -> {
          int start = at;
          skipString();
          if (depth == 1 && value < 0) {
            key = text(start + 1, at);
          }
        }
        case '{', '[' -> depth++;
        case ':' -> {
          if (depth == 1 && value < 0) {
            value = at + 1;
          }
        }
        case '}', ']', ',' -> {
          boolean ends = json[at] == ',' ? depth == 1 : --depth == 0;
          if (ends) {
            check(key, value, at);
            value = -1;
          }
        }
        default -> {}
      }
    }
    check(key, value, json.length);
  }

  /** To the quote that ends the string at {@link #at}, or to the end. */
  private void skipString() {
    at++;
    while (at < json.length && json[at] != '"') {
      at += json[at] == '\\' ? 2 : 1;
    }
  }

  private String text(int from, int to) {
    return new String(json, from, Math.min(to, json.length) - from, StandardCharsets.UTF_8);
  }

  private void check(String key, int from, int to) throws IOException {
    if (from < 0) {
      return;
    }
    if (key.indexOf('\\') >= 0) {
      // It may say decoder in another way, which no program writes.
      throw new IOException("a key of its outermost object has an escape");
    }
    if (!key.equals(KEY)) {
      return;
    }
    try (JsonParser parser = FACTORY.createParser(json, from, to - from)) {
      parser.nextToken();
      do {
        checkToken(parser);
      } while (parser.nextToken() != null);
    } catch (IOException e) {
      throw new IOException("its decoder is not valid JSON: " + e.getMessage(), e);
    }
  }

  private static void checkToken(JsonParser parser) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == null) {
      throw new IOException("it is missing");
    }
    if (token == JsonToken.VALUE_NUMBER_FLOAT || token == JsonToken.VALUE_NUMBER_INT) {
      if (!Double.isFinite(parser.getDoubleValue())) {
        throw new IOException("a number is too large");
      }
    } else if (token == JsonToken.VALUE_STRING || token == JsonToken.FIELD_NAME) {
      String text = parser.getText();
      if (text.codePoints()
          .anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
        throw new IOException("a string has half of a pair of surrogates");
      }
    }
  }
}
