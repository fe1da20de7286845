package io.mla4j.text;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.PrefixCache;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.PositionOverride;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import io.mla4j.ops.Probabilities;
import io.mla4j.ops.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A model that is ready to write: the checkpoint, its tokenizer, and a decoder on a device.
 *
 * <pre>{@code
 * try (Model m = Model.open(path)) {
 *   m.generate("In the beginning", System.out::print);
 * }
 * }</pre>
 *
 * <p>Thread-safe: texts of several threads take turns step by step. {@link #close} may come from
 * any thread; it ends a running step before its next layer, waits, and closes the open sessions.
 * Every later call is a {@link ClosedException}.
 */
public final class Model implements AutoCloseable {
  private static final int SESSION_TOKENS = 4096;
  private final Path path;
  private final Checkpoint checkpoint;
  private final Device device;
  private final boolean ownsDevice;
  private final Decoder decoder;
  final Guessers guessers;

  /** Null where every session has a cache of its own. */
  private final @Nullable SharedCache shared;

  private final boolean hasTokenizer;
  private final OpeningTokenizer tokenizer;
  private final ReentrantLock steps = new ReentrantLock(true);
  private final Set<Session> sessions = new LinkedHashSet<>();
  private volatile boolean closed;

  private Model(
      Path path,
      Checkpoint checkpoint,
      Device device,
      boolean ownsDevice,
      Decoder decoder,
      @Nullable SharedCache shared,
      boolean hasTokenizer,
      OpeningTokenizer tokenizer) {
    this.path = path;
    this.checkpoint = checkpoint;
    this.device = device;
    this.ownsDevice = ownsDevice;
    this.decoder = decoder;
    this.shared = shared;
    this.guessers = new Guessers(checkpoint, decoder);
    this.hasTokenizer = hasTokenizer;
    this.tokenizer = tokenizer;
  }

  /**
   * Opens the model in {@code directory}: config.json, safetensors and tokenizer.json, on the
   * fastest backend that works.
   *
   * @throws CheckpointException naming the file and the key or tensor that is missing, malformed or
   *     not supported
   */
  public static Model open(Path directory) {
    return builder(directory).open();
  }

  /** How to open the model in {@code directory}. */
  public static Builder builder(Path directory) {
    return new Builder(directory);
  }

  /** Choices that {@link Model#open} leaves to the machine. Belongs to one thread. */
  public static final class Builder {
    private final Path directory;
    private @Nullable String backend;
    private @Nullable String isa;
    private int threads;
    private @Nullable Device device;
    private final ComputeChoices choices = new ComputeChoices();
    private boolean withTokenizer = true;
    private boolean ifUsable;
    private int sharedTokens;
    private boolean pinned;
    private Decoder.UploadListener listener = (_, _) -> {};

    private Builder(Path directory) {
      this.directory = directory;
    }

    /** One of {@link Backends#names}; null for the best that works. */
    public Builder backend(@Nullable String name) {
      backend = name;
      return this;
    }

    /** The instruction set by name; null for the fastest. */
    public Builder isa(@Nullable String name) {
      isa = name;
      return this;
    }

    /** Threads of an operation; 0 for the physical cores. */
    public Builder threads(int count) {
      threads = count;
      return this;
    }

    /** A device in place of the three above, which stays open when the model is closed. */
    public Builder device(@Nullable Device opened) {
      device = opened;
      return this;
    }

    /** What matrix products compute with; null for what is faster on the device. */
    public Builder compute(@Nullable ComputeType type) {
      choices.compute = type;
      return this;
    }

    /** How cached elements are stored; null for the compute type. */
    public Builder cacheType(@Nullable CacheType type) {
      choices.cacheType = type;
      return this;
    }

    /** The form of attention. */
    public Builder form(AttentionForm attention) {
      choices.form = attention;
      return this;
    }

    /** How probabilities are rounded where attention multiplies integers; 8 bits if not said. */
    public Builder probabilities(Probabilities bits) {
      choices.probabilities = bits;
      return this;
    }

    /** How positions are told instead of what the configuration says; null for as it says. */
    public Builder positions(@Nullable PositionOverride override) {
      choices.positions = override;
      return this;
    }

    /** Tokens of a page of the cache. */
    public Builder pageSize(int tokens) {
      choices.pageSize = tokens;
      return this;
    }

    /** The most tokens of one step: longer prompts are cut. */
    public Builder chunk(int tokens) {
      choices.chunk = tokens;
      return this;
    }

    /**
     * One cache of so many tokens for all sessions, which share what prompts begin with: whole
     * pages before a prompt's last token are computed once, and stay when their session is closed,
     * until others need the room. No bit depends on it. A prompt takes a step more than otherwise.
     *
     * <p>Opening refuses it where texts of the model cannot share a beginning, since its rotation
     * depends on the length of a text or layers have the state of a recurrence.
     */
    public Builder sharedCache(int tokens) {
      require(tokens >= 1, "tokens", tokens, "at least 1");
      sharedTokens = tokens;
      return this;
    }

    /** Opens no tokenizer: the model knows ids alone, and what it generates has no text. */
    public Builder withoutTokenizer() {
      withTokenizer = false;
      return this;
    }

    /** A tokenizer that cannot be opened is as none: {@link Model#tokenizerProblem} says why. */
    public Builder tokenizerIfUsable() {
      ifUsable = true;
      return this;
    }

    /** As {@link Decoder#pinShared}. */
    public Builder pinShared(boolean whether) {
      pinned = whether;
      return this;
    }

    /** What is told how far weights are copied to a device with memory of its own. */
    public Builder onUpload(Decoder.UploadListener to) {
      listener = to;
      return this;
    }

    /**
     * Opens the model; another thread opens its tokenizer, whose library takes as long to load as
     * everything else together: what is wrong with it is said by the first call that needs it.
     *
     * @throws CheckpointException naming the file and the key or tensor that is missing, malformed
     *     or not supported
     * @throws io.mla4j.BackendException where the backend does not work here
     * @throws io.mla4j.DeviceMemoryException where the device lacks the memory for the weights
     * @throws InvalidArgumentException where a {@link #sharedCache} was asked for and the model's
     *     texts cannot share a beginning
     */
    public Model open() {
      OpeningTokenizer tokenizer =
          withTokenizer ? OpeningTokenizer.of(directory) : OpeningTokenizer.none();
      Checkpoint checkpoint = null;
      Device opened = null;
      Decoder decoder = null;
      try {
        checkpoint = Checkpoint.open(directory);
        ModelDescription description = ConfigReader.read(checkpoint, choices.positions);
        WeightTable weights = WeightTable.resolve(description, checkpoint);
        opened =
            device != null ? device : Backends.open(new Backends.Choice(backend, isa, threads));
        DecoderOptions options = choices.on(opened, weights.isQuantised());
        decoder = new Decoder(description, weights, opened, options, listener);
        if (pinned) {
          decoder.pinShared();
        }
        return new Model(
            directory,
            checkpoint,
            opened,
            device == null,
            decoder,
            sharedTokens == 0 ? null : SharedCache.of(decoder, sharedTokens),
            withTokenizer && (!ifUsable || tokenizer.isUsable()),
            tokenizer);
      } catch (RuntimeException | Error e) {
        tokenizer.close();
        Opened.close(decoder, device == null ? opened : null, checkpoint);
        throw e;
      }
    }
  }

  /** What is computed. */
  public ModelDescription description() {
    return decoder.model();
  }

  /** How it is computed. */
  public DecoderOptions options() {
    return decoder.options();
  }

  /** The device that computes. */
  public Device device() {
    return device;
  }

  /**
   * For one line: {@code backend native, isa avx2, form auto, compute f32, cache f32, 2 threads}.
   */
  public String summary() {
    return String.format(
            "backend %s, isa %s, form %s, compute %s, cache %s, %d threads",
            device.backend(),
            device.isa(),
            options().form(),
            options().compute(),
            options().cacheType(),
            device.threads())
        .toLowerCase(Locale.ROOT);
  }

  /** Whether the model was opened with its tokenizer. */
  public boolean hasTokenizer() {
    return hasTokenizer;
  }

  /** Why the tokenizer could not be opened, where it was to be opened if usable. */
  public Optional<String> tokenizerProblem() {
    return hasTokenizer ? Optional.empty() : tokenizer.problem();
  }

  /**
   * The tokenizer, once it is there.
   *
   * @throws CheckpointException where it could not be opened
   * @throws InvalidArgumentException where the model was opened without it
   */
  public Tokenizer tokenizer() {
    requireOpen();
    return tokenizer.get();
  }

  /** As below, up to 512 tokens, always the likeliest one. */
  public Generation generate(String prompt, Consumer<String> listener) {
    return generate(prompt, GenerationOptions.DEFAULT, listener);
  }

  /** As below, from a text. BOS comes first where the tokenizer asks for it. */
  public Generation generate(String prompt, GenerationOptions options, Consumer<String> listener) {
    return generate(tokenizer().encode(prompt, true), options, listener);
  }

  /**
   * Continues a prompt until the model ends the text, a stop text appears, it was cancelled, by the
   * options or an interrupt, or there are as many tokens as asked for or as the context has.
   *
   * @param prompt ids as they are: BOS is not added
   * @param listener takes the text as it becomes certain: never half a character, never the start
   *     of a stop text
   * @throws InvalidArgumentException where the prompt is empty, does not fit the context or has an
   *     id outside of the vocabulary
   * @throws ClosedException where the model is closed meanwhile
   */
  public Generation generate(int[] prompt, GenerationOptions options, Consumer<String> listener) {
    return new Generator(this, options, listener).run(prompt);
  }

  /**
   * An empty text with room for 4096 tokens, or the model's context where that is shorter, its
   * forks included.
   */
  public Session session() {
    return session(Math.min(SESSION_TOKENS, description().context()));
  }

  /**
   * An empty text with room for {@code tokens} tokens, its forks included; in a {@linkplain
   * Builder#sharedCache shared cache} with the room that others leave there.
   */
  public Session session(int tokens) {
    requireOpen();
    return shared == null ? register(new Session(this, tokens)) : session("");
  }

  /**
   * An empty text in the {@linkplain Builder#sharedCache shared cache}.
   *
   * @param salt keeps tenants apart: sessions share with those of the same salt alone
   * @throws InvalidArgumentException where the model has no shared cache
   */
  public Session session(String salt) {
    requireOpen();
    if (shared == null) {
      throw new InvalidArgumentException("the model was opened without a shared cache");
    }
    return register(new Session(this, shared, salt));
  }

  /**
   * A session that {@link Session#save} wrote, with room for {@code tokens} tokens.
   *
   * @throws CheckpointException naming the file and what is malformed, altered, or of another
   *     model, cache type or version
   * @throws io.mla4j.CacheFullException where it does not fit the room
   */
  public Session load(Path file, int tokens) {
    requireOpen();
    return register(SavedSession.load(this, shared, file, tokens));
  }

  /** As above, with room for 4096 tokens more than the file has, as far as the context allows. */
  public Session load(Path file) {
    return load(file, SavedSession.room(this, file, SESSION_TOKENS));
  }

  /** What has to be the same where cached rows are used again. */
  Map<String, String> identity() {
    return SavedSession.identity(checkpoint, description());
  }

  /** What the {@linkplain Builder#sharedCache shared cache} has saved; empty without one. */
  public Optional<PrefixCache.Statistics> sharing() {
    return Optional.ofNullable(shared).map(cache -> cache.prefixes().statistics());
  }

  /**
   * A conversation in the model's own words, with room for 4096 tokens, or the model's context
   * where that is shorter.
   *
   * @throws InvalidArgumentException where the model has no chat template
   */
  public Chat chat() {
    ChatTemplate template =
        ChatTemplate.find(path)
            .orElseThrow(() -> new InvalidArgumentException(path + ": has no chat template"));
    return chat(template, SESSION_TOKENS);
  }

  /** A conversation as {@code template} writes it, with room for {@code tokens} tokens. */
  public Chat chat(ChatTemplate template, int tokens) {
    requireOpen();
    return new Chat(this, template, tokens);
  }

  /** Takes the logits of a position of a sequence. */
  @FunctionalInterface
  public interface LogitConsumer {
    /** logits (vocabulary) F32 after token {@code position}, valid during the call. */
    void accept(int sequence, int position, Tensor logits);
  }

  /**
   * Runs sequences of ids from their start as a batch, in steps of up to {@code chunk} tokens of
   * each: how a sequence is cut, and so its bits, does not depend on the others.
   *
   * @param consumer takes the logits after every id
   */
  public void logits(int[][] ids, LogitConsumer consumer) {
    requireOpen();
    new BatchLogits(this, ids, consumer).run();
  }

  /** Closing twice is harmless. */
  @Override
  public void close() {
    List<Session> open;
    synchronized (sessions) {
      closed = true;
      open = List.copyOf(sessions);
    }
    decoder.close();
    open.forEach(Session::close);
    if (shared != null) {
      shared.close();
    }
    guessers.close();
    tokenizer.close();
    if (ownsDevice) {
      device.close();
    }
    checkpoint.close();
  }

  /** What computes, for who makes steps of its own: no session may be used meanwhile. */
  public Decoder decoder() {
    return decoder;
  }

  /** Runs what reads hidden states right after the step that computed them. */
  <T extends @Nullable Object> T step(Supplier<T> body) {
    steps.lock();
    try {
      requireOpen();
      return body.get();
    } finally {
      steps.unlock();
    }
  }

  void requireOpen() {
    if (closed) {
      throw new ClosedException("the model is closed");
    }
  }

  /** Remembers a session, to close it with the model. */
  Session register(Session session) {
    synchronized (sessions) {
      if (!closed) {
        sessions.add(session);
        return session;
      }
    }
    session.close();
    throw new ClosedException("the model is closed");
  }

  void forget(Session session) {
    synchronized (sessions) {
      sessions.remove(session);
    }
  }
}
