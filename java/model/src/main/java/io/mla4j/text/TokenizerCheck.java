package io.mla4j.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;

/**
 * Refuses a tokenizer.json at which the native library, tokenizers 0.21, does not return an error
 * but panics, and a panic ends the process: a decoder that is not the JSON that it takes, a table
 * of characters that is damaged, and merges of pieces that are shorter than the prefix which they
 * should begin with. Everything else is left to the library, which says what is wrong with it.
 */
final class TokenizerCheck {
  /** The library refuses what is nested deeper than 128. */
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(64).maxNumberLength(400).build())
          .build();

  private final byte[] json;
  private boolean prefix;
  private boolean merges;

  private TokenizerCheck(byte[] json) {
    this.json = json;
  }

  /**
   * Looks through a tokenizer.json.
   *
   * @throws IOException saying what is wrong with it
   */
  static void check(byte[] json) throws IOException {
    TokenizerCheck check = new TokenizerCheck(json);
    TopLevelValues.forEach(json, 0, json.length, check::value);
  }

  private void value(String key, int from, int to) throws IOException {
    switch (key) {
      case "decoder" -> decoder(from, to);
      case "normalizer" -> normalizer(from, to);
      case "model" -> {
        prefix = false;
        merges = false;
        TopLevelValues.forEach(json, from, to, this::valueOfModel);
        if (prefix && merges) {
          throw new IOException("merges with a continuing_subword_prefix are not supported");
        }
      }
      default -> {}
    }
  }

  private void valueOfModel(String key, int from, int to) {
    merges |= key.equals("merges");
    if (key.equals("continuing_subword_prefix")) {
      int begin = from;
      while (begin < to && json[begin] <= ' ') {
        begin++;
      }
      prefix |= begin + 1 < to && json[begin] == '"' && json[begin + 1] != '"';
    }
  }

  private void decoder(int from, int to) throws IOException {
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

  /** What a table of characters holds is not looked at by the library before it is used. */
  private void normalizer(int from, int to) throws IOException {
    boolean table = false;
    try (JsonParser parser = FACTORY.createParser(json, from, to - from)) {
      while (parser.nextToken() != null) {
        String text = parser.getText();
        table |= text.equals("Precompiled") || text.equals("precompiled_charsmap");
      }
    } catch (IOException e) {
      // The library refuses what is no JSON here, but it may have a larger depth.
      throw new IOException("its normalizer is not valid JSON: " + e.getMessage(), e);
    }
    if (table) {
      throw new IOException("a Precompiled normalizer is not supported");
    }
  }
}
