package io.mla4j.checkpoint;

import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/**
 * A tensor of a checkpoint, read-only, alive as long as its {@link Checkpoint}.
 *
 * @param name its name in the file
 * @param file the file that holds it
 * @param type its element type
 * @param shape its dimensions; none for a scalar
 * @param segment its bytes, little-endian, contiguous, aligned to the element
 */
public record StoredTensor(
    String name, Path file, StoredType type, List<Long> shape, MemorySegment segment) {
  /** Keeps its own copy of the shape. */
  public StoredTensor {
    shape = List.copyOf(shape);
  }

  /** The number of elements. */
  public long elements() {
    return segment.byteSize() / type.blockBytes() * type.blockElements();
  }

  /**
   * A view for computations.
   *
   * @throws CheckpointException where the type cannot be computed with
   */
  public Tensor tensor() {
    return Tensor.of(
        segment,
        type.format()
            .orElseThrow(() -> error("has dtype " + type + ", which cannot be computed with")),
        shape.stream().mapToLong(Long::longValue).toArray());
  }

  /**
   * One of the pieces of {@code shape} that lie in this tensor one behind the other.
   *
   * @param label what messages call it
   * @param number which of them
   */
  StoredTensor slice(String label, long number, List<Long> shape) {
    long bytes = type.bytes(shape.stream().reduce(1L, Math::multiplyExact));
    return new StoredTensor(label, file, type, shape, segment.asSlice(number * bytes, bytes));
  }

  /**
   * A copy, widened to float32, which is exact.
   *
   * @throws CheckpointException where the type is not one of weights, or there are 2^31 elements or
   *     more
   */
  public float[] toFloats() {
    if (!type.isWeight() || elements() > Integer.MAX_VALUE - 8) {
      throw error("has dtype " + type + " and shape " + shape + ", and cannot be read as float32");
    }
    float[] values = new float[(int) elements()];
    type.format().orElseThrow().widen(segment, 0, values, 0, values.length);
    return values;
  }

  /** An exception that names the file and this tensor: {@code what} completes the sentence. */
  CheckpointException error(String what) {
    return new CheckpointException(file + ": tensor " + Quote.name(name) + " " + what);
  }
}
