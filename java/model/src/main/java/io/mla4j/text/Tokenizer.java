package io.mla4j.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.mla4j.BackendException;
import io.mla4j.ClosedException;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.text.vocabulary.TokenTable;
import io.mla4j.text.vocabulary.TokenizerSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Text to ids and back, as {@code tokenizer.json} and {@code tokenizer_config.json} say.
 *
 * <p>Special tokens that a text spells out become their ids, so a rendered chat template can be
 * encoded; {@link MarkedText} says which of them do not. Thread-safe; {@link #close} waits for
 * calls that run, and later ones are a {@link ClosedException}.
 */
public final class Tokenizer implements AutoCloseable {
  private final HuggingFaceTokenizer tokenizer;

  /** Reads the files once more, for what is seldom asked for. */
  private final Supplier<TokenizerSource> files;

  private final OptionalInt bos;
  private final ControlTokens controls;
  private final ReadWriteLock lock = new ReentrantReadWriteLock();
  private boolean closed;

  /** Null until a text spells out a control token that it must not have. */
  private @Nullable TypedTexts typedTexts;

  private Tokenizer(
      HuggingFaceTokenizer tokenizer,
      Supplier<TokenizerSource> files,
      OptionalInt bos,
      ControlTokens controls) {
    this.tokenizer = tokenizer;
    this.controls = controls;
    this.files = files;
    this.bos = bos;
  }

  /**
   * Reads {@code tokenizer.json} or {@code tiktoken.model} of a directory and, where it is there,
   * {@code tokenizer_config.json}, or else the keys of a GGUF, which {@code model} is or has.
   *
   * @throws CheckpointException naming the file that is missing or malformed
   * @throws BackendException where the tokenizer's native library cannot be extracted or loaded
   */
  public static Tokenizer open(Path model) {
    return open(TokenizerSource.read(model), () -> TokenizerSource.read(model));
  }

  /** Whether {@code model}, a directory or a GGUF, may have a vocabulary. */
  public static boolean exists(Path model) {
    return TokenizerSource.exists(model);
  }

  private static Tokenizer open(TokenizerSource files, Supplier<TokenizerSource> again) {
    HuggingFaceTokenizer tokenizer = load(files, files.json());
    try {
      ControlTokens controls = new ControlTokens(TokenTable.read(files, false).added());
      return new Tokenizer(tokenizer, again, addedBos(tokenizer, files), controls);
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  private static HuggingFaceTokenizer load(TokenizerSource files, byte[] json) {
    try {
      return TokenizerLibrary.load(json);
    } catch (BackendException e) {
      throw e;
    } catch (IOException | RuntimeException | LinkageError e) {
      throw files.unusable(e);
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
    int[] ids = use(() -> encode(tokenizer, text));
    if (!addBos || bos.isEmpty() || (ids.length > 0 && ids[0] == bos.getAsInt())) {
      return ids;
    }
    int[] withBos = new int[ids.length + 1];
    withBos[0] = bos.getAsInt();
    System.arraycopy(ids, 0, withBos, 1, ids.length);
    return withBos;
  }

  /**
   * The ids of a text of a conversation, without another BOS: those of {@link #encode(String,
   * boolean)}, but that control tokens which were typed are as ordinary text.
   */
  public int[] encode(MarkedText text) {
    return text.typed().isEmpty()
        ? encode(text.text(), false)
        : use(() -> typedTexts().encode(text));
  }

  /** The tokens that are no text. */
  public ControlTokens controls() {
    return controls;
  }

  /**
   * The bytes that each id stands for within a text; null for ids without: added tokens, and those
   * that the tokenizer does not know. Read from its files at each call.
   *
   * @throws CheckpointException where its vocabulary is neither one of bytes nor one of characters
   *     that falls back on bytes
   */
  public byte[] @Nullable [] bytesOfTokens() {
    return TokenTable.read(files.get(), true).bytes();
  }

  private synchronized TypedTexts typedTexts() {
    if (typedTexts == null) {
      TokenizerSource source = files.get();
      byte[] plain = TokenTable.read(source, false).withOnlyAdded(TypedTexts.BORDER);
      typedTexts = new TypedTexts(tokenizer, load(source, plain), controls);
    }
    return typedTexts;
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
    return wide.length == 0 ? "" : use(() -> tokenizer.decode(wide, skipSpecial));
  }

  /** The text of a special token, which is left out of texts; none of other tokens. */
  public String specialText(int id) {
    int[] alone = {id};
    return decode(alone, true).isEmpty() ? decode(alone, false) : "";
  }

  /** A decoder for ids that come one by one. */
  public StreamingDecoder streamingDecoder(boolean skipSpecial) {
    return new StreamingDecoder(this, skipSpecial);
  }

  /** Frees the native tokenizer. Closing twice is harmless. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        tokenizer.close();
        synchronized (this) {
          if (typedTexts != null) {
            typedTexts.close();
          }
        }
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  private <T> T use(Supplier<T> body) {
    lock.readLock().lock();
    try {
      if (closed) {
        throw new ClosedException("the tokenizer is closed");
      }
      return body.get();
    } finally {
      lock.readLock().unlock();
    }
  }

  static int[] encode(HuggingFaceTokenizer tokenizer, String text) {
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
  private static OptionalInt addedBos(HuggingFaceTokenizer tokenizer, TokenizerSource files) {
    if (files.bosToken().isEmpty()) {
      return OptionalInt.empty();
    }
    String bosToken = files.bosToken().get();
    int[] ids = encode(tokenizer, bosToken);
    if (ids.length != 1) {
      if (files.addBos().orElse(false)) {
        throw files.unknownBos();
      }
      return OptionalInt.empty();
    }
    boolean add =
        files
            .addBos()
            .orElseGet(
                () -> {
                  long[] empty = tokenizer.encode("", true, false).getIds();
                  return empty.length > 0 && empty[0] == ids[0];
                });
    return add ? OptionalInt.of(ids[0]) : OptionalInt.empty();
  }
}
