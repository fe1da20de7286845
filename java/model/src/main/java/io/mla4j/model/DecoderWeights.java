package io.mla4j.model;

import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.Weight;
import io.mla4j.spi.Device;
import io.mla4j.spi.Ops;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * The weights as the operations take them: matrices are the mapped file itself, norms and biases
 * are widened to F32 on the device.
 *
 * @param embedding (vocabulary, hidden)
 * @param finalNorm (hidden) F32
 * @param output (vocabulary, hidden)
 */
record DecoderWeights(Weight embedding, Tensor finalNorm, Weight output, List<Layer> layers) {
  /** One block. */
  record Layer(Tensor attentionNorm, Attention attention, Tensor ffnNorm, Ffn ffn) {}

  /**
   * The projections of an attention; biases are null where there are none.
   *
   * @param queryDown (qLora, hidden), or null where queries are projected at once
   * @param queryUp (heads * (nope + rope), qLora or hidden)
   */
  record Attention(
      Weight queryDown,
      Tensor queryDownBias,
      Tensor queryNorm,
      Weight queryUp,
      Weight latentDown,
      Tensor latentDownBias,
      Tensor latentNorm,
      Weight latentUp,
      Weight output,
      Tensor outputBias) {}

  /** A feed-forward network, dense or mixed. */
  sealed interface Ffn {
    /** One for all tokens. */
    record Dense(Ops.FeedForward weights) implements Ffn {}

    /** Routed experts. */
    record Mixture(Ops.Mixture weights) implements Ffn {}
  }

  static DecoderWeights load(
      ModelDescription model, WeightTable table, Device device, Arena arena) {
    Loader loader = new Loader(device, arena);
    List<Layer> layers = new java.util.ArrayList<>();
    for (int i = 0; i < model.layers().size(); i++) {
      layers.add(loader.layer(model.layers().get(i), table.layers().get(i)));
    }
    return new DecoderWeights(
        Loader.matrix(table.embedding()),
        loader.vector(table.finalNorm()),
        Loader.matrix(table.output()),
        List.copyOf(layers));
  }

  private record Loader(Device device, Arena arena) {
    Layer layer(LayerDescription description, WeightTable.Layer layer) {
      return new Layer(
          vector(layer.attentionNorm()),
          attention(layer.attention()),
          vector(layer.ffnNorm()),
          ffn(description.ffn(), layer.ffn()));
    }

    private Attention attention(WeightTable.AttentionWeights w) {
      Weight latentDown = matrix(w.latentDown());
      Tensor latentDownBias = vector(w.latentDownBias());
      Tensor latentNorm = vector(w.latentNorm());
      Weight latentUp = matrix(w.latentUp());
      Weight output = matrix(w.output());
      Tensor outputBias = vector(w.outputBias());
      return switch (w.query()) {
        case WeightTable.DirectQuery q ->
            new Attention(
                null,
                null,
                null,
                matrix(q.weight()),
                latentDown,
                latentDownBias,
                latentNorm,
                latentUp,
                output,
                outputBias);
        case WeightTable.LatentQuery q ->
            new Attention(
                matrix(q.down()),
                vector(q.downBias()),
                vector(q.norm()),
                matrix(q.up()),
                latentDown,
                latentDownBias,
                latentNorm,
                latentUp,
                output,
                outputBias);
      };
    }

    private Ffn ffn(FfnDescription description, WeightTable.Ffn ffn) {
      return switch (ffn) {
        case WeightTable.Dense d -> new Ffn.Dense(feedForward(d));
        case WeightTable.Mixture m ->
            new Ffn.Mixture(
                new Ops.Mixture(
                    ((FfnDescription.Mixture) description).routing(),
                    matrix(m.router()),
                    vector(m.bias()),
                    m.experts().stream().map(Loader::feedForward).toList(),
                    m.shared().map(Loader::feedForward).orElse(null)));
      };
    }

    static Ops.FeedForward feedForward(WeightTable.Dense d) {
      return new Ops.FeedForward(matrix(d.gate()), matrix(d.up()), matrix(d.down()));
    }

    static Weight matrix(StoredTensor stored) {
      return Weight.of(stored.tensor());
    }

    private Tensor vector(Optional<StoredTensor> stored) {
      return stored.map(this::vector).orElse(null);
    }

    private Tensor vector(StoredTensor stored) {
      float[] values = stored.toFloats();
      MemorySegment segment = device.allocate(4L * values.length, arena);
      MemorySegment.copy(MemorySegment.ofArray(values), 0, segment, 0, 4L * values.length);
      return Tensor.of(segment, TensorType.F32, values.length);
    }
  }
}
