package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.position.RopeEncoding;

/**
 * The activations of a step of n tokens and the layers bound to them: made once for every n, so
 * that a decode loop makes no garbage and checks nothing twice.
 */
final class Frame {
  /** One block. */
  record Layer(AttentionPart attention, FfnPart ffn) {
    void run(Plans plans) {
      attention.run(plans);
      ffn.run();
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
    rotations = new Rotations(graph.ropes(), activations, n);
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

  /** The rotation of the tokens by {@code encoding}. */
  Rotation rotation(RopeEncoding encoding) {
    return rotations.by(graph.ropes().get(encoding));
  }

  /** The place of the plan of {@code shape} among {@link Plans}. */
  int planOf(MlaShape shape) {
    return graph.shapes().indexOf(shape);
  }

  /** What matrix products compute with. */
  ComputeType compute() {
    return graph.compute();
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
            case AttentionDescription.Mla mla -> new MlaAttention(this, i, mla, weights);
          };
      layers[i] = new Layer(attention, new FfnPart(this, layer.ffn(), weights));
    }
    return layers[i];
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

  /** x and h become those of another frame's last token of each sequence. */
  void startWithLast(int[][] tokens, Frame all, DecodePlan plan) {
    rotations.fill(plan);
    int end = 0;
    int at = 0;
    for (int[] list : tokens) {
      end += list.length;
      if (list.length > 0) {
        ids.host().segment().setAtIndex(JAVA_INT, at++, end - 1);
      }
    }
    ids.toDevice();
    // Rows of a table by number: what an embedding is too.
    graph.device().run(new Embed(Weight.of(all.x), ids.onDevice(), 1, x));
    graph.device().run(new Embed(Weight.of(all.h), ids.onDevice(), 1, h));
  }

  /** h becomes the hidden states after the final norm. */
  Tensor finish() {
    finalNorm.run();
    return h;
  }
}
