package io.mla4j.model;

import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.DeviceMemoryException;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.Ops;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The weights as the operations take them: matrices are the mapped file itself, or a copy of it on
 * a device with memory of its own; norms and biases are widened to F32 on the device.
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

  /**
   * @throws DeviceMemoryException where a device with memory of its own lacks bytes for them,
   *     before anything was copied
   */
  static DecoderWeights load(
      ModelDescription model,
      WeightTable table,
      Device device,
      ComputeType compute,
      Arena arena,
      Decoder.UploadListener listener) {
    if (device.hostAccessible()) {
      return new Loader(device, compute, arena, listener, 0, false).weights(model, table);
    }
    Loader counter = new Loader(device, compute, arena, listener, 0, true);
    counter.weights(model, table);
    long all = counter.bytes;
    long free = device.freeMemory();
    if (all > free) {
      throw new DeviceMemoryException(
          "the weights take "
              + all
              + " bytes of the device's memory, but only "
              + free
              + " are free: "
              + (all - free)
              + " bytes are missing");
    }
    return new Loader(device, compute, arena, listener, all, false).weights(model, table);
  }

  /** Places the tensors of a table on a device, or counts the bytes that this would take. */
  private static final class Loader {
    private final Device device;
    private final ComputeType compute;
    private final Arena arena;
    private final Decoder.UploadListener listener;
    private final long all;
    private final boolean counts;
    private long bytes;

    Loader(
        Device device,
        ComputeType compute,
        Arena arena,
        Decoder.UploadListener listener,
        long all,
        boolean counts) {
      this.device = device;
      this.compute = compute;
      this.arena = arena;
      this.listener = listener;
      this.all = all;
      this.counts = counts;
    }

    DecoderWeights weights(ModelDescription model, WeightTable table) {
      List<Layer> layers = new ArrayList<>();
      for (int i = 0; i < model.layers().size(); i++) {
        layers.add(layer(model.layers().get(i), table.layers().get(i)));
      }
      Weight embedding = matrix(table.embedding());
      boolean tied = table.output().segment().equals(table.embedding().segment());
      return new DecoderWeights(
          embedding,
          vector(table.finalNorm()),
          tied ? embedding : matrix(table.output()),
          List.copyOf(layers));
    }

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
                    // The router's product is computed in float32 whatever the compute type.
                    place(List.of(m.router()), ComputeType.F32).getFirst(),
                    vector(m.bias()),
                    experts(m.experts()),
                    m.shared().map(this::feedForward).orElse(null)));
      };
    }

    private List<Ops.FeedForward> experts(List<WeightTable.Dense> experts) {
      List<Weight> gates = place(experts.stream().map(WeightTable.Dense::gate).toList(), compute);
      List<Weight> ups = place(experts.stream().map(WeightTable.Dense::up).toList(), compute);
      List<Weight> downs = place(experts.stream().map(WeightTable.Dense::down).toList(), compute);
      return IntStream.range(0, experts.size())
          .mapToObj(e -> new Ops.FeedForward(gates.get(e), ups.get(e), downs.get(e)))
          .toList();
    }

    private Ops.FeedForward feedForward(WeightTable.Dense d) {
      return new Ops.FeedForward(matrix(d.gate()), matrix(d.up()), matrix(d.down()));
    }

    private Weight matrix(StoredTensor stored) {
      return place(List.of(stored), compute).getFirst();
    }

    private List<Weight> place(List<StoredTensor> stored, ComputeType type) {
      List<Weight> weights = stored.stream().map(s -> Weight.of(s.tensor())).toList();
      weights.forEach(w -> bytes += device.placedBytes(w, type));
      if (counts) {
        return weights;
      }
      List<Weight> placed = device.place(weights, type, arena);
      if (all > 0) {
        listener.uploaded(bytes, all);
      }
      return placed;
    }

    private Tensor vector(Optional<StoredTensor> stored) {
      return stored.map(this::vector).orElse(null);
    }

    private Tensor vector(StoredTensor stored) {
      long size = Float.BYTES * stored.elements();
      bytes += size;
      if (counts) {
        return null;
      }
      float[] values = stored.toFloats();
      MemorySegment segment = device.allocate(size, arena);
      device.copy(MemorySegment.ofArray(values), 0, segment, 0, size);
      return Tensor.of(segment, StorageFormat.F32, values.length);
    }
  }
}
