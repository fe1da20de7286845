package io.mla4j.model;

import io.mla4j.Batch;
import io.mla4j.ClosedException;
import io.mla4j.ConcurrentUseException;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.PinnedMemory;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.guard.Turn;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass of a model (DeepSeek-V2 section 2, DeepSeek-V3 section 2.1): ids in, hidden
 * states or logits out, latent rows into the cache.
 *
 * <pre>
 * x = embedScale * embedding[ids]
 * for each layer:
 *   h = norm(x);  q = W_UQ norm(W_DQ h);  [c | k] = W_DKV h
 *   cache (norm(c), rotate(k));  x += residualScale * W_O attend(rotate(q))
 *   x += residualScale * ffn(norm(x))
 * logits = W_out (outputScale * norm(x))
 * </pre>
 *
 * <p>Belongs to one thread at a time, and hidden states to the thread that computed them: what
 * another one does meanwhile is a {@link ConcurrentUseException}. Several decoders may share a
 * device. {@link #close} may come from any thread.
 */
public final class Decoder implements AutoCloseable {
  /** Which hidden states a step is made for. */
  public enum Wanted {
    /** Those of all new tokens. */
    ALL,
    /**
     * Those of each sequence's last new token: the last layer computes nothing of the others beyond
     * their rows of the cache.
     */
    LAST,
    /**
     * Those of all new tokens, each with the bits that it would have in a step of its own: what a
     * text would be, token by token, is checked in one step. A sequence with a state of a
     * recurrence takes one token at a time.
     */
    EACH,
    /** None: only the cache is filled, for what comes before the end of a prompt. */
    NONE
  }

  /** Takes the bytes of weights that were copied to a device so far, and all that will be. */
  @FunctionalInterface
  public interface UploadListener {
    /** Called now and then, the last time with both equal; never where nothing is copied. */
    void uploaded(long bytes, long all);
  }

  /** Takes the hidden states of all new tokens of a step. */
  @FunctionalInterface
  public interface HiddenConsumer {
    /**
     * hidden (n, hidden) F32 after the final norm, in the device's memory, valid until the next
     * step.
     */
    void accept(Tensor hidden);
  }

  /** Takes logits row by row. */
  @FunctionalInterface
  public interface LogitConsumer {
    /** The logits of row {@code row}: (vocabulary) F32. */
    void accept(int row, Tensor logits);
  }

  private final Turn turn = new Turn("decoder");
  private final ModelDescription model;
  private final DecoderOptions options;
  private final Device device;
  private final Arena arena = Arena.ofShared();
  private final MappedWeights mapped;
  private final Graph graph;
  private final Plans plans;
  private final Plans lastPlans;
  private final LogitHead head;

  /** Of the steps. */
  private final Frames frames;

  /** Of the wanted tokens in the last layer, where the others' results are not needed. */
  private final Frames lastFrames;

  /** Weights that stay in memory. */
  private PinnedMemory pinned = PinnedMemory.NONE;

  /** The thread whose hidden states are in a frame. */
  private volatile @Nullable Thread author;

  /** As below, with a listener that does nothing. */
  public Decoder(
      ModelDescription model, WeightTable weights, Device device, DecoderOptions options) {
    this(model, weights, device, options, (_, _) -> {});
  }

  /**
   * A decoder over mapped weights, which must stay open. A device with memory of its own gets a
   * copy of them.
   *
   * @throws io.mla4j.DeviceMemoryException where the device lacks the memory for the weights,
   *     saying how many bytes are missing, before anything was copied
   * @throws io.mla4j.Mla4jException where the device lacks the memory for the norms
   */
  public Decoder(
      ModelDescription model,
      WeightTable weights,
      Device device,
      DecoderOptions options,
      UploadListener listener) {
    this.model = model;
    this.options = options;
    this.device = device;
    this.mapped = new MappedWeights(weights.files(), device);
    try {
      DecoderWeights placed =
          DecoderWeights.load(model, weights, device, options.compute(), arena, listener);
      weights.files().requireUnchanged();
      this.graph = Graph.of(model, placed, device, options);
    } catch (RuntimeException | Error e) {
      mapped.close();
      arena.close();
      if (e instanceof InternalError) {
        throw weights.files().unreadable(e);
      }
      throw e;
    }
    this.plans = new Plans(graph.shapes());
    this.lastPlans = new Plans(graph.shapes());
    this.frames = new Frames(graph);
    this.lastFrames = new Frames(graph);
    this.head = new LogitHead(graph);
  }

  /** What is computed. */
  public ModelDescription model() {
    return model;
  }

  /** How it is computed. */
  public DecoderOptions options() {
    return options;
  }

  /** The device that computes. */
  public Device device() {
    return device;
  }

  /**
   * Reads the weights that every token needs, attention and shared networks, and keeps them in
   * memory until this decoder is closed: where a model is larger than memory, what is left is the
   * experts'. Once is enough.
   *
   * @return their bytes; 0 on a device with memory of its own, which has copies
   * @throws io.mla4j.Mla4jException where the system forbids it, naming the bytes and its limit
   */
  public long pinShared() {
    turn.enter();
    try {
      if (pinned == PinnedMemory.NONE) {
        pinned = device.pin(graph.weights().shared());
      }
      return pinned.bytes();
    } finally {
      turn.leave();
    }
  }

  /** A pool for {@code sequences} sequences of up to {@code tokens} tokens each. */
  public LatentCache newCache(int sequences, int tokens) {
    long pages = (long) sequences * Math.ceilDiv(Math.max(1, tokens), options.pageSize());
    return cacheBuilder().sequences(sequences).pages(pages).build();
  }

  /** Pools with the rows of this model: their size is yet to be chosen. */
  public LatentCache.Builder cacheBuilder() {
    return cacheBuilder(model, device, options);
  }

  static LatentCache.Builder cacheBuilder(
      ModelDescription model, Device device, DecoderOptions options) {
    LatentCache.Builder cache = LatentCache.builder(device);
    model.state().ifPresent(state -> cache.states(state, model.stateLayers()));
    model.indexRows(options.cacheType()).ifPresent(rows -> cache.group(rows, model.indexLayers()));
    model.furtherRows(options.cacheType()).forEach(cache::group);
    return cache
        .layout(model.rows(options.cacheType()))
        .layers(model.cacheLayers())
        .pageSize(options.pageSize());
  }

  /**
   * Runs {@code ids[i]} through sequence i of the batch and commits them.
   *
   * @return the hidden states after the final norm: (n, hidden), all sequences one after the other,
   *     valid until the next call, in the device's memory
   * @throws InvalidArgumentException where an id is outside of the vocabulary or a sequence would
   *     exceed the model's context; nothing was changed
   * @throws io.mla4j.CacheFullException where the pool has too few pages; nothing was changed
   * @throws io.mla4j.checkpoint.CheckpointException where a file of mapped weights was written to,
   *     made shorter or could not be read since it was opened; the sequences are as before
   * @throws CancelledException where the thread was interrupted; the sequences are as before
   * @throws ConcurrentUseException where another thread is using this decoder
   * @throws ClosedException where this decoder is closed, before or meanwhile; the sequences are as
   *     before
   */
  public Tensor forward(Batch batch, int[]... ids) {
    return wanted(forward(batch, Wanted.ALL, null, ids));
  }

  /**
   * As {@link #forward(Batch, int[][])}, for {@link Wanted#LAST}.
   *
   * @return the hidden states after the final norm: a row for each sequence that has new tokens
   */
  public Tensor forwardLast(Batch batch, int[]... ids) {
    return wanted(forward(batch, Wanted.LAST, null, ids));
  }

  private static Tensor wanted(@Nullable Tensor hidden) {
    return Objects.requireNonNull(hidden, "hidden states are wanted");
  }

  /** As {@link #forward(Batch, int[][])}, for {@link Wanted#NONE}. */
  public void append(Batch batch, int[]... ids) {
    forward(batch, Wanted.NONE, null, ids);
  }

  /**
   * As {@link #forward(Batch, int[][])}.
   *
   * @param cancellation what gives the step up, or null
   * @return null where nothing is wanted
   * @throws CancelledException where it was given up; the sequences are as before
   */
  public @Nullable Tensor forward(
      Batch batch, Wanted wanted, @Nullable Cancellation cancellation, int[]... ids) {
    return forward(batch, wanted, cancellation, null, ids);
  }

  /**
   * As above.
   *
   * @param states takes the hidden states of all new tokens too, whatever is wanted; or null
   */
  public @Nullable Tensor forward(
      Batch batch,
      Wanted wanted,
      @Nullable Cancellation cancellation,
      @Nullable HiddenConsumer states,
      int[]... ids) {
    Wanted[] ofEach = new Wanted[batch.sequences().size()];
    Arrays.fill(ofEach, wanted);
    return forward(batch, ofEach, cancellation, states, ids);
  }

  /**
   * As {@link #forward(Batch, int[][])}, with a choice for each sequence.
   *
   * @param wanted for each sequence
   * @param cancellation what gives the step up, or null
   * @return the wanted hidden states after the final norm: (n, hidden), sequence by sequence, valid
   *     until the next call, in the device's memory; null where none are wanted
   * @throws CancelledException where it was given up; the sequences are as before
   */
  public @Nullable Tensor forward(
      Batch batch, Wanted[] wanted, @Nullable Cancellation cancellation, int[]... ids) {
    return forward(batch, wanted, cancellation, null, ids);
  }

  private @Nullable Tensor forward(
      Batch batch,
      Wanted[] wanted,
      @Nullable Cancellation cancellation,
      @Nullable HiddenConsumer states,
      int[]... ids) {
    turn.enter();
    try {
      checkIds(batch, wanted, ids);
      int[] counts = new int[ids.length];
      Arrays.setAll(counts, i -> ids[i].length);
      mapped.requireUnchanged();
      try (Step step = batch.reserve(counts)) {
        Pass pass = new Pass(step, ids, wanted, cancellation, states);
        Tensor hidden = compute(pass);
        step.commit();
        return hidden;
      }
    } finally {
      author = Thread.currentThread();
      turn.leave();
    }
  }

  private void checkIds(Batch batch, Wanted[] wanted, int[][] ids) {
    if (ids.length != batch.sequences().size() || wanted.length != ids.length) {
      throw new InvalidArgumentException(
          "ids has "
              + ids.length
              + " lists and wanted "
              + wanted.length
              + " choices, but the batch has "
              + batch.sequences().size()
              + " sequences");
    }
    for (int i = 0; i < ids.length; i++) {
      Sequence sequence = batch.sequences().get(i);
      if (ids[i].length > model.context() - sequence.length()) {
        throw new InvalidArgumentException(
            "the sequence would have "
                + (sequence.length() + (long) ids[i].length)
                + " tokens, but the model's context is "
                + model.context());
      }
      for (int id : ids[i]) {
        if (id < 0 || id >= model.vocabulary()) {
          throw new InvalidArgumentException(
              "id is " + id + ", but the vocabulary is 0.." + (model.vocabulary() - 1));
        }
      }
    }
  }

  private @Nullable Tensor compute(Pass pass) {
    Tensor hidden;
    try {
      hidden = run(pass);
    } catch (RuntimeException | Error e) {
      throw mapped.explain(e);
    }
    mapped.requireRead();
    return hidden;
  }

  private @Nullable Tensor run(Pass pass) {
    Frame frame = frames.of(pass.step().tokens());
    plans.make(pass.step(), options.form(), pass.queries(false));
    frame.start(pass.ids(), plans.get(0));
    int last = model.layers().size() - 1;
    for (int i = 0; i < last; i++) {
      requireWanted(pass.cancellation());
      frame.layer(i).run(plans);
    }
    requireWanted(pass.cancellation());
    int rows = pass.rows();
    if (rows == frame.n()) {
      frame.layer(last).run(plans);
      Tensor hidden = frame.finish();
      if (pass.states() != null) {
        pass.states().accept(hidden);
      }
      return hidden;
    }
    frame.layer(last).attention().remember(plans);
    Tensor hidden = rows == 0 ? null : wantedTokens(pass, frame, last);
    if (pass.states() != null) {
      frame.layer(last).runRest(plans);
      pass.states().accept(frame.finish());
    }
    return hidden;
  }

  private void requireWanted(@Nullable Cancellation cancellation) {
    turn.requireOpen();
    Cancellation.check(cancellation);
  }

  /**
   * The rest of layer {@code i}, whose rows of the cache are there, for the wanted tokens alone.
   */
  private Tensor wantedTokens(Pass pass, Frame all, int i) {
    lastPlans.make(pass.step(), options.form(), pass.queries(true));
    int[] rows = pass.chosenRows();
    Frame wantedFrame = lastFrames.of(rows.length);
    wantedFrame.startWith(rows, i, all, lastPlans.get(0));
    wantedFrame.layer(i).runRest(lastPlans);
    return wantedFrame.finish();
  }

  /**
   * The logits of hidden states: hidden (n, hidden) as {@link #forward} returns it, in blocks of
   * rows.
   *
   * @param consumer takes the logits of row i: (vocabulary) F32, valid during the call
   * @throws ConcurrentUseException where another thread computed meanwhile
   */
  public void logits(Tensor hidden, LogitConsumer consumer) {
    turn.enter();
    try {
      requireAuthor();
      head.forEachRow(hidden, consumer);
      mapped.requireRead();
    } catch (RuntimeException | Error e) {
      throw mapped.explain(e);
    } finally {
      turn.leave();
    }
  }

  /**
   * The token that follows each of the rows, chosen on a device that {@link Device#choosesTokens}:
   * the likeliest where the temperature is 0, else one of the likeliest that the numbers leave.
   *
   * @param hidden (n, hidden) as {@link #forward} returns it, n at most 64
   * @param temperature divisor of the logits
   * @param topK how many tokens stay at most; 0 for all
   * @param topP the likeliest tokens stay whose probabilities together reach this
   * @param uniform (n) in [0, 1), or null where the temperature is 0
   * @param ids (n) the result
   * @throws ConcurrentUseException where another thread computed meanwhile
   */
  public void choose(
      Tensor hidden, double temperature, int topK, double topP, float[] uniform, int[] ids) {
    turn.enter();
    try {
      requireAuthor();
      head.choose(hidden, temperature, topK, topP, uniform, ids);
    } finally {
      turn.leave();
    }
  }

  private void requireAuthor() {
    if (author != Thread.currentThread()) {
      throw new ConcurrentUseException(
          "hidden states belong to the thread that computed them, but the last were computed by "
              + author);
    }
  }

  /**
   * Ends a step that runs in another thread before its next layer, waits for it, and frees the
   * memory. Closing twice is harmless.
   */
  @Override
  public void close() {
    if (turn.close()) {
      frames.close();
      lastFrames.close();
      head.close();
      pinned.close();
      mapped.close();
      arena.close();
    }
  }
}
