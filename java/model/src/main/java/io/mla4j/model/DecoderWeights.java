package io.mla4j.model;

import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.DeviceMemoryException;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The weights as the operations take them: matrices are the mapped file itself, or a copy of it on
 * a device with memory of its own; norms and biases are widened to F32 on the device.
 *
 * @param embedding (vocabulary, hidden)
 * @param finalNorm (hidden) F32, the factor before the output projection multiplied in
 * @param output (vocabulary, hidden)
 */
record DecoderWeights(Weight embedding, Tensor finalNorm, Weight output, List<Layer> layers) {
  /**
   * One block: what a {@link WeightTable.Layer} has, by role.
   *
   * @param delta what a layer with a state has beside its matrices, or null
   */
  record Layer(
      Map<TensorRole, List<Weight>> matrices,
      Map<TensorRole, Tensor> vectors,
      AttendDelta.@Nullable Weights delta) {
    /** The matrix of {@code role}, or null. */
    @Nullable Weight matrixIfAny(TensorRole role) {
      List<Weight> all = matrices.get(role);
      return all == null ? null : all.getFirst();
    }

    /** The matrix of a role that the layer has. */
    Weight matrix(TensorRole role) {
      return Objects.requireNonNull(matrixIfAny(role), role::name);
    }

    /** W_UK and W_UV: of one matrix, or apart. */
    LatentUp up() {
      Weight fused = matrixIfAny(TensorRole.LATENT_UP);
      return fused != null
          ? LatentUp.fused(fused)
          : LatentUp.split(matrix(TensorRole.KEYS_UP), matrix(TensorRole.VALUES_UP));
    }

    /** The norm or bias of {@code role}, or null. */
    @Nullable Tensor vectorIfAny(TensorRole role) {
      return vectors.get(role);
    }

    /** The norm or bias of a role that the layer has. */
    Tensor vector(TensorRole role) {
      return Objects.requireNonNull(vectors.get(role), role::name);
    }

    /**
     * The networks of these roles, one for each expert, with a limit of the activation; none where
     * there is no such role.
     */
    List<FeedForward.Weights> networks(
        TensorRole gate, TensorRole up, TensorRole down, float limit) {
      List<FeedForward.Weights> networks = new ArrayList<>();
      List<Weight> gates = matrices.get(gate);
      List<Weight> ups = matrices.getOrDefault(up, List.of());
      List<Weight> downs = matrices.getOrDefault(down, List.of());
      for (int i = 0; i < ups.size(); i++) {
        networks.add(
            new FeedForward.Weights(
                gates == null ? null : gates.get(i), ups.get(i), downs.get(i), limit));
      }
      return networks;
    }
  }

  /**
   * The matrices that every token reads, as they are stored: all but those of a mixture's experts,
   * and the embedding, of which it reads a row.
   */
  List<MemorySegment> shared() {
    Stream<Weight> ofLayers =
        layers.stream()
            .flatMap(layer -> layer.matrices().entrySet().stream())
            .filter(entry -> !entry.getKey().isOfExperts())
            .flatMap(entry -> entry.getValue().stream());
    return Stream.concat(ofLayers, Stream.of(output))
        .flatMap(w -> Stream.of(w.tensor().segment(), w.scaleSegment()))
        .filter(segment -> segment.byteSize() > 0)
        .toList();
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
      for (int i = 0; i < table.layers().size(); i++) {
        layers.add(layer(model.layers().get(i), table.layers().get(i)));
      }
      Weight embedding = place(List.of(table.embedding()), compute).getFirst();
      boolean tied = table.output().segment().equals(table.embedding().segment());
      return new DecoderWeights(
          embedding,
          vector(table.finalNorm(), model.outputScale()),
          tied ? embedding : place(List.of(table.output()), compute).getFirst(),
          List.copyOf(layers));
    }

    private Layer layer(LayerDescription description, WeightTable.Layer layer) {
      Map<TensorRole, List<Weight>> matrices = new EnumMap<>(TensorRole.class);
      Map<TensorRole, Tensor> vectors = new EnumMap<>(TensorRole.class);
      layer
          .tensors()
          .forEach(
              (role, tensors) -> {
                if (DeltaWeights.has(role)) {
                  return;
                }
                if (tensors.getFirst().shape().size() == 1) {
                  vectors.put(role, vector(tensors.getFirst(), factor(description, role)));
                } else {
                  // The router's product is computed in float32 whatever the compute type.
                  matrices.put(role, place(tensors, role.isExact() ? ComputeType.F32 : compute));
                }
              });
      AttendDelta.Weights delta =
          description.attention() instanceof AttentionDescription.Kda kda
              ? DeltaWeights.of(kda, layer, this::vector)
              : null;
      return new Layer(matrices, vectors, delta);
    }

    private List<Weight> place(List<StoredTensor> stored, ComputeType type) {
      List<Weight> weights = stored.stream().map(StoredTensor::weight).toList();
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

    /** A constant factor behind a norm is one on the norm's weight. */
    private static float factor(LayerDescription layer, TensorRole role) {
      return role == TensorRole.LATENT_NORM ? layer.mla().latentScale() : 1;
    }

    private Tensor vector(StoredTensor stored, float factor) {
      float[] values = stored.toFloats();
      for (int i = 0; i < values.length; i++) {
        values[i] *= factor;
      }
      return vector(values);
    }

    /** Where only bytes are counted, the numbers stay where they are. */
    private Tensor vector(float[] values) {
      long size = (long) Float.BYTES * values.length;
      bytes += size;
      MemorySegment segment = MemorySegment.ofArray(values);
      if (!counts) {
        segment = device.allocate(size, arena);
        device.copy(MemorySegment.ofArray(values), 0, segment, 0, size);
      }
      return Tensor.of(segment, StorageFormat.F32, values.length);
    }
  }
}
