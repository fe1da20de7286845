package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.Quote;
import io.mla4j.text.vocabulary.TokenizerJson.Added;
import io.mla4j.text.vocabulary.TokenizerJson.Content;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A {@code tiktoken.model}: a line for each token, its bytes in base 64 and its rank, as Moonlight
 * and Kimi have it. The special tokens behind them are {@code added_tokens_decoder} of
 * tokenizer_config.json; a place that it does not name is reserved.
 */
final class TiktokenVocabulary {
  /** Places for special tokens behind the ranks, as Kimi's own code has them. */
  private static final int SPECIAL = 258;

  static final int MOST_TOKENS = 10_000_000;

  /** Of each byte, the character that stands for it. */
  private static final char[] CHARACTERS = characters();

  /** And back; -1 for other characters. */
  private static final int[] BYTES = bytes();

  private TiktokenVocabulary() {}

  /**
   * The tokenizer.json.
   *
   * @param config tokenizer_config.json, or null
   */
  static byte[] read(Path file, byte[] bytes, @Nullable JsonNode config) {
    List<String> tokens = ranks(file, bytes);
    int ranks = tokens.size();
    List<Added> added = new ArrayList<>();
    JsonNode named = config == null ? null : config.get("added_tokens_decoder");
    Set<String> known = new HashSet<>(tokens);
    for (int id = ranks; id < ranks + SPECIAL; id++) {
      JsonNode entry = named == null ? null : named.get(Integer.toString(id));
      String content = entry == null ? null : entry.path("content").textValue();
      if (content == null || content.isEmpty() || !known.add(content)) {
        content = "<|reserved_token_" + id + "|>";
        known.add(content);
      }
      tokens.add(content);
      added.add(new Added(id, entry == null || entry.path("special").asBoolean(true)));
    }
    PreTokenizer pre = PreTokenizer.find(PreTokenizer.KIMI).orElseThrow();
    return TokenizerJson.ofBytes(
        new Content(tokens, added, Merges.byRank(tokens, id -> id < ranks)), pre);
  }

  private static List<String> ranks(Path file, byte[] bytes) {
    List<String> tokens = new ArrayList<>();
    Set<String> known = new HashSet<>();
    int number = 0;
    for (String line : new String(bytes, StandardCharsets.ISO_8859_1).lines().toList()) {
      number++;
      if (line.isBlank()) {
        continue;
      }
      String[] parts = line.strip().split(" ");
      byte[] token;
      int rank;
      try {
        token = Base64.getDecoder().decode(parts[0]);
        rank = Integer.parseInt(parts[parts.length - 1]);
      } catch (IllegalArgumentException e) {
        throw error(file, number, "is " + Quote.name(line) + ", but must be base 64 and a rank", e);
      }
      if (parts.length != 2 || token.length == 0 || rank != tokens.size() || rank > MOST_TOKENS) {
        throw error(
            file,
            number,
            "is " + Quote.name(line) + ", but must be bytes and the rank " + tokens.size(),
            null);
      }
      String text = text(token);
      if (!known.add(text)) {
        throw error(file, number, "has a token that was there before", null);
      }
      tokens.add(text);
    }
    if (tokens.isEmpty()) {
      throw new CheckpointException(file + ": has no tokens");
    }
    return tokens;
  }

  private static CheckpointException error(
      Path file, int line, String problem, @Nullable Throwable cause) {
    return new CheckpointException(file + ": line " + line + " " + problem, cause);
  }

  private static String text(byte[] token) {
    char[] text = new char[token.length];
    for (int i = 0; i < token.length; i++) {
      text[i] = CHARACTERS[token[i] & 0xFF];
    }
    return new String(text);
  }

  /** The byte that a character stands for; -1 for none. */
  static int byteOf(char character) {
    return character < BYTES.length ? BYTES[character] : -1;
  }

  private static int[] bytes() {
    int[] bytes = new int[512];
    Arrays.fill(bytes, -1);
    for (int i = 0; i < CHARACTERS.length; i++) {
      bytes[CHARACTERS[i]] = i;
    }
    return bytes;
  }

  /** Printable Latin-1 stands for itself, the others for what follows Latin-1. */
  private static char[] characters() {
    char[] characters = new char[256];
    char next = 256;
    for (int i = 0; i < characters.length; i++) {
      boolean printable = i > ' ' && i < 127 || i > 160 && i != 173;
      characters[i] = printable ? (char) i : next++;
    }
    return characters;
  }
}
