package io.mla4j.text;

import io.mla4j.Batch;
import io.mla4j.CacheFullException;
import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.InvalidStateException;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.CacheFile;
import io.mla4j.guard.Turn;
import io.mla4j.model.Cancellation;
import io.mla4j.model.Decoder.Wanted;
import io.mla4j.ops.Tensor;
import io.mla4j.text.speculation.Speculator;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A text on its way through a model: what was appended, its cache, and what may follow.
 *
 * <pre>{@code
 * try (Session session = model.session()) {
 *   session.append("In the beginning");
 *   int id = session.next(SamplingOptions.GREEDY);
 * }
 * }</pre>
 *
 * <p>Where the rotation depends on the length of the text (longrope, dynamic scaling), a prompt is
 * rotated by its whole length, however it is cut into chunks. A token that is generated or appended
 * later is rotated by the length with it, and what is cached stays as it is: so it was rotated by
 * shorter lengths, or by the short factors where the text has passed the original context
 * meanwhile. Hugging Face transformers goes by history too (its Phi-3 alone starts the cache again
 * when it passes that context); llama.cpp takes the factors by the size of the context that was
 * asked for, from the first token on.
 *
 * <p>Belongs to one thread at a time, which is noticed ({@link io.mla4j.ConcurrentUseException});
 * sessions of one model may be used by different threads and take turns step by step. A call that
 * throws leaves the session as it was. {@link #close} may come from any thread and waits for a call
 * that runs. Every call on a closed session or a closed model is a {@link ClosedException}.
 */
public final class Session implements AutoCloseable {
  private final Turn turn = new Turn("session");
  private final Model model;
  private final SessionPool pool;
  private final Sequence sequence;
  private final Batch batch;

  /** Null where the session has a cache of its own. */
  private final @Nullable SharedPrompt prompt;

  /** Every token; those from {@code sequence.length()} on are not cached yet. */
  private int[] ids;

  private int count;

  /** What follows the last token, where it was read and all are cached; else null. */
  private float @Nullable [] logits;

  private @Nullable TokenChooser chooser;

  private final Guessing guessing;

  /** An empty session with a pool of its own. */
  Session(Model model, int tokens) {
    this(
        model,
        new SessionPool(model.decoder().newCache(1, tokens), new AtomicInteger()),
        null,
        null);
  }

  /** An empty session in the cache that the model's sessions share. */
  Session(Model model, SharedCache shared, String salt) {
    // the model closes it
    this(
        model,
        new SessionPool(shared.cache(), new AtomicInteger(1)),
        null,
        new SharedPrompt(shared, salt));
  }

  /**
   * What a file has, in a cache of its own or, where {@code prompt} is there, in the shared one.
   */
  Session(Model model, Path file, LatentCache cache, @Nullable SharedPrompt prompt) {
    CacheFile.Loaded loaded = SavedSession.read(model, file, cache);
    this.model = model;
    this.pool = new SessionPool(cache, new AtomicInteger(prompt == null ? 1 : 2));
    this.prompt = prompt;
    this.sequence = loaded.sequence();
    this.batch = Batch.of(sequence);
    this.guessing = new Guessing(model, cache, sequence);
    this.ids = Arrays.copyOf(loaded.text().ids(), Math.max(16, sequence.length()));
    this.count = sequence.length();
    this.logits = loaded.text().logits();
  }

  private Session(
      Model model, SessionPool pool, @Nullable Session origin, @Nullable SharedPrompt prompt) {
    this.model = model;
    this.pool = pool;
    this.prompt = prompt;
    this.sequence = origin == null ? pool.cache().newSequence() : origin.sequence.fork();
    this.batch = Batch.of(sequence);
    this.guessing = new Guessing(model, pool.cache(), sequence);
    this.ids = origin == null ? new int[16] : origin.ids.clone();
    this.count = origin == null ? 0 : origin.count;
    this.logits = origin == null ? null : origin.logits;
    pool.users().incrementAndGet();
  }

  /** Tokens so far. */
  public int length() {
    return count;
  }

  /** The tokens so far. */
  public int[] ids() {
    return use(() -> Arrays.copyOf(ids, count));
  }

  /** Bytes of the cache that this session and its forks share. */
  public long cacheBytes() {
    return pool.cache().bytes();
  }

  /**
   * Appends the tokens of a text. BOS comes first where the session is empty and the tokenizer asks
   * for it.
   *
   * @throws InvalidArgumentException where they would exceed the model's context
   */
  public void append(String text) {
    append(model.tokenizer().encode(text, count == 0));
  }

  /**
   * Appends tokens as they are. Whole chunks go through the model now, the rest when what follows
   * is asked for; everything then where the rotation depends on the length, which is that of all
   * tokens that were appended until then.
   *
   * @throws InvalidArgumentException where an id is outside of the vocabulary or they would exceed
   *     the model's context
   * @throws io.mla4j.CacheFullException where the session has no room for them
   */
  public void append(int... more) {
    append(null, more);
  }

  void append(@Nullable Cancellation cancellation, int... more) {
    use(
        () -> {
          guessing.drop();
          int context = model.description().context();
          if (more.length > context - count) {
            throw new InvalidArgumentException(
                "the text would have "
                    + ((long) count + more.length)
                    + " tokens, but the model's context is "
                    + context);
          }
          for (int id : more) {
            if (id < 0 || id >= model.description().vocabulary()) {
              throw new InvalidArgumentException(
                  "id is "
                      + id
                      + ", but the vocabulary is 0.."
                      + (model.description().vocabulary() - 1));
            }
          }
          int before = count;
          try {
            for (int id : more) {
              push(id);
            }
            if (!model.description().dependsOnLength()) {
              runChunks(cancellation);
            }
          } catch (RuntimeException | Error e) {
            cut(before);
            throw e;
          }
          if (chooser != null) {
            for (int id : more) {
              chooser.observe(id);
            }
          }
          return null;
        });
  }

  /**
   * Chooses a token, appends and returns it. Random numbers start at the seed of the options and go
   * on for as long as the options stay the same; in a fork, and after {@link #truncate}, they start
   * again.
   *
   * @throws InvalidArgumentException where the session is empty, or the model's context is full
   */
  public int next(SamplingOptions sampling) {
    return next(sampling, null, Integer.MAX_VALUE);
  }

  /**
   * As above.
   *
   * @param wanted how many tokens will be asked for, this one included: more are not guessed
   */
  int next(SamplingOptions sampling, @Nullable Cancellation cancellation, int wanted) {
    return use(
        () -> {
          requireTokens();
          TokenChooser by = chooser;
          if (by == null || !by.options().equals(sampling)) {
            guessing.drop();
            by = new TokenChooser(sampling, model.decoder());
            for (int i = 0; i < count; i++) {
              by.observe(ids[i]);
            }
            chooser = by;
          }
          int id = choose(by, cancellation, wanted);
          push(id);
          guessing.chose(id);
          return id;
        });
  }

  private int choose(TokenChooser by, @Nullable Cancellation cancellation, int wanted) {
    if (guessing.isAhead()) {
      Cancellation.check(cancellation);
      return guessing.choose();
    }
    runChunks(cancellation);
    if (logits != null) {
      return by.choose(logits);
    }
    return model.step(
        () -> {
          if (!guessing.isOn() || count - sequence.length() > 1) {
            return by.choose(runPending(cancellation));
          }
          int[] rows = guessing.guess(ids, count, wanted);
          try {
            return checkGuesses(by, cancellation, rows);
          } catch (CacheFullException e) {
            // A fork in another thread may have taken the pages that were for the guesses.
            return checkGuesses(by, cancellation, Arrays.copyOf(rows, 1));
          }
        });
  }

  /** Runs the last token with guesses behind it, and chooses what follows it. */
  private int checkGuesses(TokenChooser by, @Nullable Cancellation cancellation, int[] rows) {
    long start = System.nanoTime();
    Tensor hidden = hidden(Wanted.EACH, cancellation, rows);
    guessing.ran(by, hidden, count, start);
    return guessing.choose();
  }

  /**
   * From the next token on, tokens are guessed in this way. What the model writes does not change.
   *
   * @throws InvalidStateException where the session is not {@linkplain #isRewindable rewindable}:
   *     guesses that were wrong could not be forgotten
   * @throws InvalidArgumentException where mla4j knows no layer for multi-token prediction in a
   *     model of this type
   * @throws io.mla4j.checkpoint.CheckpointException naming the tensor of this layer that the
   *     checkpoint lacks
   */
  public void speculate(Speculation how) {
    use(
        () -> {
          guessing.start(how);
          return null;
        });
  }

  /** Null for nothing. */
  void guessWith(@Nullable Speculator other) {
    guessing.start(other);
  }

  /** What guessing did so far, since it was chosen. */
  public Speculation.Figures speculated() {
    return guessing.figures();
  }

  /**
   * The logits after the last token: one for each token of the vocabulary.
   *
   * @throws InvalidArgumentException where the session is empty
   */
  public float[] logits() {
    return use(() -> readLogits().clone());
  }

  private float[] readLogits() {
    requireTokens();
    float[] read = logits == null ? guessing.takeLogits(count) : logits;
    if (read == null) {
      guessing.drop();
      runChunks(null);
      read = model.step(() -> TokenChooser.read(model.decoder(), runPending(null)));
    }
    logits = read;
    return read;
  }

  /**
   * Writes what is cached to a file, from which {@link Model#load} makes a session that goes on
   * with the same bits. What was not computed yet is computed first. The file gets its content at
   * once; see {@link CacheFile} for what it holds.
   *
   * @throws InvalidArgumentException where the session is empty
   * @throws io.mla4j.Mla4jException naming the file where it cannot be written; the old one stays
   */
  public void save(Path file) {
    use(
        () -> {
          CacheFile.Text text = new CacheFile.Text(Arrays.copyOf(ids, count), readLogits());
          CacheFile.save(file, sequence, text, model.identity());
          return null;
        });
  }

  /**
   * Appends a prompt and continues it, as {@link Model#generate(int[], GenerationOptions,
   * Consumer)} does.
   *
   * @throws InvalidArgumentException where the text would be empty or does not fit the context
   */
  public Generation generate(int[] more, GenerationOptions options, Consumer<String> listener) {
    int[] before = ids();
    int[] prompt = Arrays.copyOf(before, before.length + more.length);
    System.arraycopy(more, 0, prompt, before.length, more.length);
    return new Generator(model, options, listener).run(this, prompt);
  }

  /** Whether the last token is the first one beyond the model's context: nothing can follow it. */
  public boolean isFull() {
    return count > model.description().context();
  }

  /**
   * A session with the same tokens and a life of its own. Both share what is cached and the room of
   * the session that was opened first.
   */
  public Session fork() {
    return use(
        () -> {
          guessing.drop();
          return model.register(
              new Session(model, pool, this, prompt == null ? null : prompt.fork()));
        });
  }

  /**
   * Whether {@link #truncate} can take single tokens away: not in a model some layers of which have
   * the state of a recurrence. There a {@link #fork} keeps what may be wanted again.
   */
  public boolean isRewindable() {
    return sequence.isRewindable();
  }

  /**
   * Forgets the tokens from {@code length} on.
   *
   * @throws InvalidArgumentException where it is negative or more than {@link #length}
   * @throws io.mla4j.InvalidStateException where the session is not {@linkplain #isRewindable
   *     rewindable} and tokens that went through the model would have to be forgotten, but not all
   */
  public void truncate(int length) {
    use(
        () -> {
          if (length < 0 || length > count) {
            throw new InvalidArgumentException(
                "length is " + length + ", but must be in 0.." + count);
          }
          if (length < count) {
            guessing.drop();
            if (!sequence.isRewindable() && length > 0 && length <= sequence.length()) {
              throw new InvalidStateException(
                  "length is "
                      + length
                      + ", but "
                      + sequence.length()
                      + " tokens are in the state of the model's recurrence, which cannot be"
                      + " rewound: only 0 and more than "
                      + sequence.length()
                      + " are possible");
            }
            cut(length);
          }
          return null;
        });
  }

  /** Frees the cache, with the last of the sessions that share it. Closing twice is harmless. */
  @Override
  public void close() {
    if (turn.close()) {
      guessing.close();
      sequence.close();
      pool.release();
      model.forget(this);
    }
  }

  /** Runs whole chunks of what is not cached yet, so that a chunk or less is left. */
  private void runChunks(@Nullable Cancellation cancellation) {
    sequence.announce(count);
    int chunk = model.decoder().options().chunk();
    if (prompt != null && prompt.isBody(sequence)) {
      if (count - sequence.length() > chunk) {
        fillBody(prompt, cancellation);
      }
      return;
    }
    while (count - sequence.length() > chunk) {
      int[] next = Arrays.copyOfRange(ids, sequence.length(), sequence.length() + chunk);
      model.step(() -> forward(Wanted.NONE, cancellation, next));
    }
  }

  /**
   * Forgets tokens; the last one that stays runs again when what follows it is asked for. So do all
   * that stay, where the cache cannot be rewound.
   */
  private void cut(int length) {
    guessing.truncate(length);
    int kept = Math.min(sequence.length(), Math.max(0, length - 1));
    if (prompt != null) {
      kept = prompt.keep(kept);
    }
    sequence.truncate(sequence.isRewindable() || kept == sequence.length() ? kept : 0);
    count = length;
    logits = null;
    chooser = null;
  }

  /** Runs what is not cached yet; the hidden state of the last token. Within a step. */
  private Tensor runPending(@Nullable Cancellation cancellation) {
    if (prompt != null) {
      fillBody(prompt, cancellation);
      int chunk = model.decoder().options().chunk();
      while (count - sequence.length() > chunk) {
        int begin = sequence.length();
        forward(Wanted.NONE, cancellation, Arrays.copyOfRange(ids, begin, begin + chunk));
      }
    }
    int[] pending = Arrays.copyOfRange(ids, sequence.length(), count);
    return hidden(Wanted.LAST, cancellation, pending);
  }

  private void fillBody(SharedPrompt shared, @Nullable Cancellation cancellation) {
    shared.fill(
        sequence,
        Arrays.copyOf(ids, count),
        next -> model.step(() -> forward(Wanted.NONE, cancellation, next)));
  }

  private Tensor hidden(Wanted wanted, @Nullable Cancellation cancellation, int[] next) {
    return Objects.requireNonNull(forward(wanted, cancellation, next), "hidden states are wanted");
  }

  private @Nullable Tensor forward(Wanted wanted, @Nullable Cancellation cancellation, int[] next) {
    return model.decoder().forward(batch, wanted, cancellation, guessing.states(ids, count), next);
  }

  private void requireTokens() {
    if (count == 0) {
      throw new InvalidArgumentException("the session has no tokens, so nothing can follow them");
    }
  }

  private void push(int id) {
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, 2 * count);
    }
    ids[count++] = id;
    logits = null;
  }

  private <T extends @Nullable Object> T use(Supplier<T> body) {
    model.requireOpen();
    turn.enter();
    try {
      return body.get();
    } finally {
      turn.leave();
    }
  }
}
