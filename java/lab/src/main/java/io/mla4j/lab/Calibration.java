package io.mla4j.lab;

import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.Add;
import io.mla4j.ops.Embed;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads a text with the original model, layer by layer, in float32: only the hidden states of the
 * text and the statistics of one layer are kept. Belongs to one thread.
 */
final class Calibration {
  /** Windows that go through a layer together. */
  private static final int TOGETHER = 8;

  private final Source source;
  private final Products products;
  private final int window;
  private final List<Tensor> hidden = new ArrayList<>();

  /** Is told what a layer's statistics are. */
  @FunctionalInterface
  interface Visitor {
    /** Layers come in their order. */
    void layer(int index, Moments moments);
  }

  /**
   * Embeds a text.
   *
   * @param windows of one length each
   */
  Calibration(Source source, Products products, int[][] windows) {
    this.source = source;
    this.products = products;
    this.window = windows[0].length;
    for (int from = 0; from < windows.length; from += TOGETHER) {
      int count = Math.min(TOGETHER, windows.length - from);
      int[] ids = new int[count * window];
      for (int i = 0; i < count; i++) {
        System.arraycopy(windows[from + i], 0, ids, i * window, window);
      }
      Tensor out = products.zeros(ids.length, source.model().hidden());
      Tensor stored =
          Tensor.allocate(products.device(), StorageFormat.I32, ids.length).copyFrom(ids);
      products
          .device()
          .run(
              new Embed(
                  source.weights().embedding().weight(), stored, source.model().embedScale(), out));
      hidden.add(out);
    }
  }

  /** Reads the text through all layers. */
  void run(Visitor visitor) {
    for (int l = 0; l < source.model().layers().size(); l++) {
      visitor.layer(l, layer(l));
    }
  }

  /** The statistics of layer l; layers come in their order. */
  Moments layer(int l) {
    LayerStatistics statistics = new LayerStatistics(source, l, window);
    for (Tensor h : hidden) {
      try (Arena arena = Arena.ofShared()) {
        new Chunk(source, products.within(arena), l).run(h, statistics);
      }
    }
    return statistics.moments();
  }

  /** Some windows in one layer; everything but their hidden states is gone afterwards. */
  private record Chunk(Source source, Products products, int l) {
    /** h becomes the hidden states behind the layer. */
    void run(Tensor h, LayerStatistics statistics) {
      Tensor norm = floats(source.tensor(l, TensorRole.ATTENTION_NORM));
      Tensor x = normed(h, norm);
      float[] out =
          statistics.add(
              x.toArray(),
              projected(x, TensorRole.QUERY, TensorRole.QUERY_BIAS),
              projected(x, TensorRole.KEY, TensorRole.KEY_BIAS),
              projected(x, TensorRole.VALUE, TensorRole.VALUE_BIAS));
      Tensor heads = products.zeros(h.dim(0), (long) out.length / h.dim(0)).copyFrom(out);
      Tensor bias =
          source.attention().outputBias()
              ? floats(source.tensor(l, TensorRole.ATTENTION_OUTPUT_BIAS))
              : null;
      add(products.linear(heads, source.tensor(l, TensorRole.ATTENTION_OUTPUT).weight(), bias), h);
      add(feedForward(h), h);
    }

    private Tensor feedForward(Tensor h) {
      Tensor y = normed(h, floats(source.tensor(l, TensorRole.FFN_NORM)));
      Tensor gate = products.linear(y, source.tensor(l, TensorRole.DENSE_GATE).weight(), null);
      Tensor up = products.linear(y, source.tensor(l, TensorRole.DENSE_UP).weight(), null);
      Tensor inner = products.zeros(gate.dim(0), gate.dim(1));
      products.device().run(new SwiGlu(gate, up, Float.POSITIVE_INFINITY, inner));
      return products.linear(inner, source.tensor(l, TensorRole.DENSE_DOWN).weight(), null);
    }

    private float[] projected(Tensor x, TensorRole weight, TensorRole bias) {
      Tensor b = source.attention().inputBias() ? floats(source.tensor(l, bias)) : null;
      return products.linear(x, source.tensor(l, weight).weight(), b).toArray();
    }

    private Tensor normed(Tensor h, Tensor weight) {
      Tensor out = products.zeros(h.dim(0), h.dim(1));
      products.device().run(new RmsNorm(h, weight, source.model().normEps(), out));
      return out;
    }

    /** To the hidden states. */
    private void add(Tensor x, Tensor h) {
      products.device().run(new Add(h, x, source.model().residualScale(), h));
    }

    private Tensor floats(StoredTensor stored) {
      float[] values = stored.toFloats();
      return products.zeros(values.length).copyFrom(values);
    }
  }
}
