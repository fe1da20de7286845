package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.mla4j.Batch;
import io.mla4j.BoundOperation;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Linear.Projection;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The layer of a model that predicts a token further (multi-token prediction, DeepSeek-V3 section
 * 2.2): from the hidden state of token t behind the final norm and token t + 1 it computes a hidden
 * state whose logits are those of token t + 2.
 *
 * <pre>
 * x = W_join [norm(embedding[id(t + 1)]) ; norm(h(t))]
 * h'(t) = norm(block(x))            the block attends to the rows of the tokens before
 * </pre>
 *
 * <p>Rows of the tokens are in a cache of its own, with one layer; row t is that of h(t). Belongs
 * to one thread at a time: users take turns.
 */
public final class Predictor implements AutoCloseable {
  private final Graph graph;
  private final DecoderOptions options;
  private final Arena arena = Arena.ofShared();
  private final Frames frames;
  private final Activations activations;
  private final Plans plans;
  private final LogitHead head;
  private final Entry[] entries = new Entry[2];

  /** What {@link #predict} gives: (1, hidden). */
  private final Tensor result;

  private boolean closed;

  /**
   * Over mapped weights, which must stay open.
   *
   * @param model see {@link ModelDescription#predictor}
   * @param weights see {@link WeightTable#resolvePredictor}
   * @throws io.mla4j.Mla4jException where the device lacks the memory for the weights
   */
  public Predictor(
      ModelDescription model, WeightTable weights, Device device, DecoderOptions options) {
    this.options = options;
    try {
      DecoderWeights placed =
          DecoderWeights.load(model, weights, device, options.compute(), arena, (_, _) -> {});
      this.graph = Graph.of(model, placed, device, options);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
    this.frames = new Frames(graph);
    this.activations = new Activations(device);
    this.plans = new Plans(graph.shapes());
    this.head = new LogitHead(graph);
    activations.reserve(1);
    this.result = activations.rows("result", 1, model.hidden());
  }

  /** Width of the hidden states. */
  public int hidden() {
    return graph.model().hidden();
  }

  /** The device that computes. */
  public Device device() {
    return graph.device();
  }

  /** A pool for one sequence of up to {@code tokens} rows. */
  public LatentCache newCache(int tokens) {
    return Decoder.cacheBuilder(graph.model(), graph.device(), options)
        .pages(Math.ceilDiv(Math.max(1, tokens), options.pageSize()))
        .build();
  }

  /**
   * Caches the rows of tokens whose predictions nobody asks for.
   *
   * @param sequence of a cache of {@link #newCache}
   * @param states (n, hidden) F32, of tokens t, t + 1, .. behind the final norm
   * @param ids (n) the tokens behind them
   * @throws io.mla4j.CacheFullException where the pool has too few pages
   */
  public void remember(Sequence sequence, Tensor states, int[] ids) {
    run(sequence, states, ids, false);
  }

  /**
   * Caches the row of a token and predicts.
   *
   * @param state (1, hidden) F32, of token t behind the final norm, or of a prediction: then what
   *     follows is chained
   * @param id token t + 1
   * @return (1, hidden) F32, valid until the next prediction
   * @throws io.mla4j.CacheFullException where the pool has too few pages
   */
  public Tensor predict(Sequence sequence, Tensor state, int id) {
    Tensor hidden =
        Objects.requireNonNull(run(sequence, state, new int[] {id}, true), "it predicts");
    graph.device().copy(hidden.segment(), 0, result.segment(), 0, (long) Float.BYTES * hidden());
    return result;
  }

  /** The logits of a prediction: (vocabulary) F32, in the host's memory, valid until the next. */
  public Tensor logits(Tensor prediction) {
    Tensor[] row = new Tensor[1];
    head.forEachRow(prediction, (_, logits) -> row[0] = logits);
    return row[0];
  }

  private @Nullable Tensor run(Sequence sequence, Tensor states, int[] ids, boolean predicts) {
    try (Step step = Batch.of(sequence).reserve(ids.length)) {
      plans.make(step, options.form());
      Frame frame = frames.of(ids.length);
      frame.start(new int[][] {ids}, plans.get(0));
      entry(frame).run(states);
      if (predicts) {
        frame.layer(0).run(plans);
      } else {
        frame.layer(0).attention().remember(plans);
      }
      step.commit();
      return predicts ? frame.finish() : null;
    }
  }

  /** The way into a frame: of one token, and of several. */
  private Entry entry(Frame frame) {
    int kind = frame.n() == 1 ? 0 : 1;
    if (entries[kind] == null || entries[kind].frame != frame) {
      entries[kind] = new Entry(frame);
    }
    return entries[kind];
  }

  /** From embeddings in a frame's x and hidden states to what enters the block. */
  private final class Entry {
    final Frame frame;
    private final Tensor states;
    private final BoundOperation[] steps;

    Entry(Frame frame) {
      this.frame = frame;
      int n = frame.n();
      DecoderWeights.Layer weights = graph.weights().layers().getFirst();
      states = frame.rows("states", hidden());
      Tensor normed = frame.rows("normed", 2 * hidden()).reshape(2L * n, hidden());
      Tensor joined = frame.rows("joined", 2 * hidden());
      // Rows of a table by number: embeddings and states take turns.
      Mirror order = Mirror.allocate(graph.device(), Arena.ofAuto(), StorageFormat.I32, 2L * n);
      for (int i = 0; i < n; i++) {
        order.host().segment().setAtIndex(JAVA_INT, 2L * i, i);
        order.host().segment().setAtIndex(JAVA_INT, 2L * i + 1, n + i);
      }
      order.toDevice();
      steps =
          new BoundOperation[] {
            frame.bind(
                new RmsNorm(
                    frame.x(),
                    weights.vector(TensorRole.PREDICTOR_EMBEDDING_NORM),
                    frame.eps(),
                    normed.first(n))),
            frame.bind(
                new RmsNorm(
                    states,
                    weights.vector(TensorRole.PREDICTOR_STATE_NORM),
                    frame.eps(),
                    normed.slice(n, n))),
            frame.bind(
                new Embed(
                    Weight.of(normed), order.onDevice(), 1, joined.reshape(2L * n, hidden()))),
            frame.bind(
                new Linear(
                    joined,
                    List.of(
                        new Projection(weights.matrix(TensorRole.PREDICTOR_JOIN), null, frame.x())),
                    frame.compute()))
          };
    }

    void run(Tensor of) {
      MemorySegment from = of.segment();
      graph.device().copy(from, 0, states.segment(), 0, (long) Float.BYTES * frame.n() * hidden());
      for (BoundOperation step : steps) {
        step.run();
      }
    }
  }

  /** Frees its memory. Closing twice is harmless. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      frames.close();
      activations.close();
      head.close();
      arena.close();
    }
  }
}
