package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.AttentionDescription.QueryScale;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Probabilities;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.position.RopeEncoding;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The activations of a step of n tokens and the layers bound to them: made once for every n, so
 * that a decode loop makes no garbage and checks nothing twice.
 */
final class Frame {
  /** One block: its parts, run in turn. */
  record Layer(AttentionPart attention, FfnPart ffn) {
    void run(Plans plans) {
      attention.run(plans);
      ffn.run(plans);
    }

    /** What {@link AttentionPart#remember} of this layer in another frame left out. */
    void runRest(Plans plans) {
      attention.attend(plans);
      ffn.run(plans);
    }
  }

  private final Graph graph;
  private final Activations activations;
  private final int n;
  private final Mirror ids;
  private final Tensor x;
  private final Tensor h;
  private final Rotations rotations;
  private final BoundOperation embed;
  private final Layer[] layers;
  private final BoundOperation finalNorm;

  /** A frame whose layers are bound when they are first asked for. */
  Frame(Graph graph, Activations activations, int n) {
    this.graph = graph;
    this.activations = activations;
    this.n = n;
    activations.reserve(n);
    int hidden = graph.model().hidden();
    ids = activations.mirror("ids", StorageFormat.I32, n, 1).reshape(n);
    x = activations.rows("x", n, hidden);
    h = activations.rows("h", n, hidden);
    rotations = new Rotations(graph, activations, n);
    embed =
        bind(new Embed(graph.weights().embedding(), ids.onDevice(), graph.model().embedScale(), x));
    layers = new Layer[graph.model().layers().size()];
    finalNorm = bind(new RmsNorm(x, graph.weights().finalNorm(), eps(), h));
  }

  /** Tokens. */
  int n() {
    return n;
  }

  /** The residual stream, (n, hidden). */
  Tensor x() {
    return x;
  }

  /** What is normed, and the result of an attention; in the end the hidden states, (n, hidden). */
  Tensor h() {
    return h;
  }

  /** The activations called {@code name}, which layers share: (n, width) F32. */
  Tensor rows(String name, int width) {
    return activations.rows(name, n, width);
  }

  /** The tokens that an indexer chose last, which layers share: (n, topK) I32. */
  Tensor chosen(int topK) {
    return activations.rows("chosen" + topK, StorageFormat.I32, n, topK);
  }

  /** The rotation of the tokens by {@code encoding}. */
  Rotation rotation(RopeEncoding encoding) {
    return rotations.by(
        Objects.requireNonNull(graph.ropes().get(encoding), "a table of each encoding"));
  }

  /** What the queries of the tokens are multiplied by: (n, 1). */
  Tensor factors(QueryScale scale) {
    return rotations.factors(scale);
  }

  /** Slopes of linear biases: (heads), or null where there are none. */
  @Nullable Tensor slopes(List<Float> slopes) {
    return graph.slopes().get(slopes);
  }

  /** The place of the plan of {@code shape} among {@link Plans}. */
  int planOf(MlaShape shape) {
    return graph.shapes().indexOf(shape);
  }

  /** What matrix products compute with. */
  ComputeType compute() {
    return graph.compute();
  }

  /** How probabilities are rounded where attention multiplies integers. */
  Probabilities probabilities() {
    return graph.probabilities();
  }

  /** Epsilon of the block norms. */
  float eps() {
    return graph.model().normEps();
  }

  /** The factor on every branch before it is added to x. */
  float residualScale() {
    return graph.model().residualScale();
  }

  /** {@code operation}, ready to run. */
  BoundOperation bind(Operation operation) {
    return graph.device().bind(operation);
  }

  /** Layer {@code i}, bound. */
  Layer layer(int i) {
    if (layers[i] == null) {
      LayerDescription layer = graph.model().layers().get(i);
      DecoderWeights.Layer weights = graph.weights().layers().get(i);
      AttentionPart attention =
          switch (layer.attention()) {
            case AttentionDescription.Mla mla -> new MlaAttention(this, place(i), mla, weights);
            case AttentionDescription.Kda kda ->
                new KdaAttention(this, graph.model().stateLayer(i), kda, weights);
            case AttentionDescription.Grouped grouped ->
                new GroupedAttention(this, graph.model().cacheLayer(i), grouped, weights);
          };
      layers[i] =
          new Layer(
              attention, new FfnPart(this, layer, weights, shortcutInto(i), shortcutInto(i + 1)));
    }
    return layers[i];
  }

  private MlaAttention.Place place(int i) {
    return new MlaAttention.Place(graph.model().cacheLayer(i), graph.model().indexLayer(i));
  }

  /**
   * What layer {@code i - 1} computes beside its network for the end of layer {@code i}, or null.
   */
  private @Nullable Tensor shortcutInto(int i) {
    return i > 0 && graph.model().layers().get(i - 1).shortcut().isPresent()
        ? rows("shortcut" + i % 2, Math.toIntExact(x.dim(1)))
        : null;
  }

  /** x becomes the embeddings of the ids, whose tokens stand where the plan says. */
  void start(int[][] tokens, DecodePlan plan) {
    rotations.fill(plan);
    int at = 0;
    for (int[] list : tokens) {
      for (int id : list) {
        ids.host().segment().setAtIndex(JAVA_INT, at++, id);
      }
    }
    ids.toDevice();
    embed.run();
  }

  /** What layer {@code i} needs beside the cache becomes that of {@code rows} of another frame. */
  void startWith(int[] rows, int i, Frame all, DecodePlan plan) {
    rotations.fill(plan);
    for (int row = 0; row < n; row++) {
      ids.host().segment().setAtIndex(JAVA_INT, row, rows[row]);
    }
    ids.toDevice();
    // Rows of a table by number: what an embedding is too.
    graph.device().run(new Embed(Weight.of(all.x), ids.onDevice(), 1, x));
    graph.device().run(new Embed(Weight.of(all.h), ids.onDevice(), 1, h));
    Tensor shortcut = shortcutInto(i);
    Tensor ofAll = all.shortcutInto(i);
    if (shortcut != null && ofAll != null) {
      graph.device().run(new Embed(Weight.of(ofAll), ids.onDevice(), 1, shortcut));
    }
    copyChosen(i, all);
  }

  /** The choice that layer {@code i} takes from a layer before it. */
  private void copyChosen(int i, Frame all) {
    if (graph.model().layers().get(i).attention() instanceof AttentionDescription.Mla mla
        && mla.indexer().filter(AttentionDescription.Indexer::shared).isPresent()) {
      int topK = mla.indexer().get().topK();
      long bytes = (long) topK * Integer.BYTES;
      for (int row = 0; row < n; row++) {
        int from = ids.host().segment().getAtIndex(JAVA_INT, row);
        graph
            .device()
            .copy(
                all.chosen(topK).segment(),
                from * bytes,
                chosen(topK).segment(),
                row * bytes,
                bytes);
      }
    }
  }

  /** h becomes the hidden states after the final norm. */
  Tensor finish() {
    finalNorm.run();
    return h;
  }
}
