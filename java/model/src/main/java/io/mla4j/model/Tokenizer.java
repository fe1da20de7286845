package io.mla4j.model;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Text to ids and back, as {@code tokenizer.json} and {@code tokenizer_config.json} say.
 *
 * <p>Special tokens that a text spells out become their ids, so a rendered chat template can be
 * encoded. Thread-safe. Close it after its last use.
 */
public final class Tokenizer implements AutoCloseable {
  private static final long MAX_BYTES = 200_000_000;

  /** Classes whose default, where {@code add_bos_token} is absent, is to add it. */
  private static final Set<String> ADD_BOS_CLASSES = Set.of("LlamaTokenizer", "LlamaTokenizerFast");

  private final HuggingFaceTokenizer tokenizer;
  private final OptionalInt bos;

  private Tokenizer(HuggingFaceTokenizer tokenizer, OptionalInt bos) {
    this.tokenizer = tokenizer;
    this.bos = bos;
  }

  /**
   * Reads {@code tokenizer.json} and, where it is there, {@code tokenizer_config.json}.
   *
   * @throws CheckpointException naming the file that is missing or malformed
   */
  public static Tokenizer open(Path directory) {
    Path file = directory.resolve("tokenizer.json");
    Json.requireFile(file);
    HuggingFaceTokenizer tokenizer;
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new CheckpointException(
            file + ": has " + Files.size(file) + " bytes, but at most " + MAX_BYTES + " are read");
      }
      tokenizer = TokenizerLibrary.load(Files.readString(file, StandardCharsets.UTF_8));
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      throw new CheckpointException(
          file + ": is not a usable tokenizer: " + Quote.line(String.valueOf(e.getMessage())), e);
    } catch (LinkageError e) {
      throw new CheckpointException(
          file + ": the native tokenizer library does not load: " + Quote.line(e.toString()), e);
    }
    try {
      return new Tokenizer(
          tokenizer, addedBos(tokenizer, directory.resolve("tokenizer_config.json")));
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  /** The id that starts a text, where the configuration asks for one. */
  public OptionalInt bos() {
    return bos;
  }

  /**
   * The ids of {@code text}.
   *
   * @param addBos whether {@link #bos} is put before it, unless the text already starts with it
   */
  public int[] encode(String text, boolean addBos) {
    int[] ids = encode(tokenizer, text);
    if (!addBos || bos.isEmpty() || (ids.length > 0 && ids[0] == bos.getAsInt())) {
      return ids;
    }
    int[] withBos = new int[ids.length + 1];
    withBos[0] = bos.getAsInt();
    System.arraycopy(ids, 0, withBos, 1, ids.length);
    return withBos;
  }

  /**
   * The text of {@code ids}. Ids that the tokenizer does not know have none.
   *
   * @param skipSpecial whether special tokens are left out
   */
  public String decode(int[] ids, boolean skipSpecial) {
    return decode(ids, 0, ids.length, skipSpecial);
  }

  String decode(int[] ids, int from, int to, boolean skipSpecial) {
    long[] wide = new long[to - from];
    for (int i = from; i < to; i++) {
      wide[i - from] = ids[i];
    }
    return wide.length == 0 ? "" : tokenizer.decode(wide, skipSpecial);
  }

  /** A decoder for ids that come one by one. */
  public StreamingDecoder streamingDecoder(boolean skipSpecial) {
    return new StreamingDecoder(this, skipSpecial);
  }

  /** Frees the native tokenizer. Closing twice is harmless. */
  @Override
  public void close() {
    tokenizer.close();
  }

  private static int[] encode(HuggingFaceTokenizer tokenizer, String text) {
    long[] ids = tokenizer.encode(wellFormed(text), false, false).getIds();
    int[] narrow = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      narrow[i] = Math.toIntExact(ids[i]);
    }
    return narrow;
  }

  /** Half a surrogate pair is no text; it becomes U+FFFD, as it does when Java writes UTF-8. */
  private static String wellFormed(String text) {
    StringBuilder fixed = null;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!Character.isSurrogate(c)) {
        continue;
      }
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
        continue;
      }
      if (fixed == null) {
        fixed = new StringBuilder(text);
      }
      fixed.setCharAt(i, '\uFFFD');
    }
    return fixed == null ? text : fixed.toString();
  }

  /** The id of bos_token, where the configuration says that it is put before a text. */
  private static OptionalInt addedBos(HuggingFaceTokenizer tokenizer, Path file) {
    if (!Files.exists(file)) {
      return OptionalInt.empty();
    }
    JsonNode object = Json.readObject(file, MAX_BYTES);
    ConfigKeys keys = new ConfigKeys(file, "", object);
    JsonNode token = object.path("bos_token");
    String bosToken = token.isObject() ? token.path("content").textValue() : token.textValue();
    boolean fromClass = keys.text("tokenizer_class").filter(ADD_BOS_CLASSES::contains).isPresent();
    boolean explicit = keys.has("add_bos_token");
    boolean add = keys.flag("add_bos_token", fromClass);
    if (bosToken == null) {
      if (explicit && add) {
        throw keys.error("add_bos_token", "is true, but bos_token is no text");
      }
      return OptionalInt.empty();
    }
    int[] ids = encode(tokenizer, bosToken);
    if (ids.length != 1) {
      if (add) {
        throw keys.error(
            "bos_token", "is " + Quote.name(bosToken) + ", which is not a token of tokenizer.json");
      }
      return OptionalInt.empty();
    }
    if (!explicit && !add) {
      long[] empty = tokenizer.encode("", true, false).getIds();
      add = empty.length > 0 && empty[0] == ids[0];
    }
    return add ? OptionalInt.of(ids[0]) : OptionalInt.empty();
  }
}
