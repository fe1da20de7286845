package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.Quote;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a tokenizer.json says of its tokens, one by one: which are added to the vocabulary, and
 * which bytes the others stand for.
 */
public final class TokenTable {
  /** A vocabulary has many names, each once. */
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
          .build();

  private final TokenizerSource source;
  private final List<Added> added = new ArrayList<>();

  /** Where the list of added tokens begins and ends in the file. */
  private int addedFrom;

  private int addedTo;

  private @Nullable String[] texts = new @Nullable String[0];
  private boolean byteLevel;
  private boolean bytePieces;

  /**
   * A token that is found in a text before anything else is done with it.
   *
   * @param special whether decoding may leave it out
   */
  public record Added(int id, String text, boolean special) {}

  private TokenTable(TokenizerSource source) {
    this.source = source;
  }

  /**
   * Reads the tokens.
   *
   * @param withBytes whether {@link #bytes} will be asked for
   * @throws CheckpointException where the file does not say what it should
   */
  public static TokenTable read(TokenizerSource source, boolean withBytes) {
    TokenTable table = new TokenTable(source);
    try (JsonParser parser = FACTORY.createParser(source.json())) {
      table.read(parser, withBytes);
    } catch (IOException e) {
      throw source.unusable(e);
    }
    return table;
  }

  /** The added tokens. */
  public List<Added> added() {
    return added;
  }

  /**
   * The bytes of each id; null where it has none of its own, as added tokens.
   *
   * @throws CheckpointException where the vocabulary is neither one of bytes nor one of characters
   *     that falls back on bytes
   */
  public byte[] @Nullable [] bytes() {
    if (!byteLevel && !bytePieces) {
      throw new CheckpointException(
          source.name()
              + ": its decoder has neither ByteLevel nor ByteFallback, so it is not known which"
              + " bytes its tokens are");
    }
    byte[] @Nullable [] bytes = new byte[texts.length] @Nullable [];
    for (int id = 0; id < texts.length; id++) {
      String text = texts[id];
      if (text != null) {
        bytes[id] = byteLevel ? ofByteLevel(text) : ofPiece(text);
      }
    }
    for (Added token : added) {
      if (token.id() < bytes.length) {
        bytes[token.id()] = null;
      }
    }
    return bytes;
  }

  /** The tokenizer with {@code text} as its only added token. */
  public byte[] withOnlyAdded(String text) {
    byte[] json = source.json();
    ByteArrayOutputStream out = new ByteArrayOutputStream(json.length);
    String only =
        "[{\"id\":"
            + added.stream().mapToInt(Added::id).min().orElse(0)
            + ",\"content\":\""
            + text
            + "\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
            + "\"special\":true}]";
    out.write(json, 0, addedFrom);
    out.writeBytes(only.getBytes(StandardCharsets.UTF_8));
    out.write(json, addedTo, json.length - addedTo);
    return out.toByteArray();
  }

  private void read(JsonParser parser, boolean withBytes) throws IOException {
    parser.nextToken();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      JsonToken value = parser.nextToken();
      if (key.equals("added_tokens") && value == JsonToken.START_ARRAY) {
        addedFrom = (int) parser.currentTokenLocation().getByteOffset();
        while (parser.nextToken() == JsonToken.START_OBJECT) {
          readAdded(parser);
        }
        addedTo = (int) parser.currentLocation().getByteOffset();
        if (!withBytes) {
          return;
        }
      } else if (key.equals("decoder")) {
        readDecoder(parser);
      } else if (key.equals("model") && value == JsonToken.START_OBJECT) {
        readModel(parser);
      } else {
        parser.skipChildren();
      }
    }
  }

  private void readAdded(JsonParser parser) throws IOException {
    int id = -1;
    String content = null;
    boolean special = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      parser.nextToken();
      switch (key) {
        case "id" -> id = parser.getIntValue();
        case "content" -> content = parser.getText();
        case "special" -> special = parser.getBooleanValue();
        default -> parser.skipChildren();
      }
    }
    if (id >= 0 && content != null && !content.isEmpty()) {
      added.add(new Added(id, content, special));
    }
  }

  /** The types of decoders, at whatever depth. */
  private void readDecoder(JsonParser parser) throws IOException {
    int depth = 0;
    for (JsonToken token = parser.currentToken(); ; token = parser.nextToken()) {
      if (token.isStructStart()) {
        depth++;
      } else if (token.isStructEnd()) {
        depth--;
      } else if (token == JsonToken.VALUE_STRING && "type".equals(parser.currentName())) {
        byteLevel |= parser.getText().equals("ByteLevel");
        bytePieces |= parser.getText().equals("ByteFallback");
      }
      if (depth == 0) {
        return;
      }
    }
  }

  private void readModel(JsonParser parser) throws IOException {
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean isVocabulary = parser.currentName().equals("vocab");
      if (parser.nextToken() != JsonToken.START_OBJECT || !isVocabulary) {
        parser.skipChildren();
        continue;
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String text = parser.currentName();
        parser.nextToken();
        put(parser.getIntValue(), text);
      }
    }
  }

  private void put(int id, String text) {
    if (id < 0 || id > TiktokenVocabulary.MOST_TOKENS) {
      throw new CheckpointException(
          source.name() + ": has the token " + Quote.name(text) + " with the id " + id);
    }
    if (id >= texts.length) {
      texts = Arrays.copyOf(texts, Math.max(id + 1, 2 * texts.length));
    }
    texts[id] = text;
  }

  /** Null where a character stands for no byte. */
  private static byte @Nullable [] ofByteLevel(String text) {
    byte[] bytes = new byte[text.length()];
    for (int i = 0; i < bytes.length; i++) {
      int b = TiktokenVocabulary.byteOf(text.charAt(i));
      if (b < 0) {
        return null;
      }
      bytes[i] = (byte) b;
    }
    return bytes;
  }

  private static byte[] ofPiece(String text) {
    if (text.length() == 6 && text.startsWith("<0x") && text.endsWith(">")) {
      try {
        return new byte[] {(byte) Integer.parseInt(text, 3, 5, 16)};
      } catch (NumberFormatException e) {
        // A text that only looks like a byte.
      }
    }
    return text.replace(TokenizerJson.SPACE, " ").getBytes(StandardCharsets.UTF_8);
  }
}
