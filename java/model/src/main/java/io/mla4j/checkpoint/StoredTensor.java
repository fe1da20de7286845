package io.mla4j.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

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
    return segment.byteSize() / type.bytes();
  }

  /**
   * A view for computations.
   *
   * @throws CheckpointException where the type cannot be computed with
   */
  public Tensor tensor() {
    return Tensor.of(
        segment,
        type.tensorType()
            .orElseThrow(() -> error("has dtype " + type + ", which cannot be computed with")),
        shape.stream().mapToLong(Long::longValue).toArray());
  }

  /**
   * A copy, widened to float32, which is exact.
   *
   * @throws CheckpointException where the type is not F32, BF16 or F16, or there are 2^31 elements
   *     or more
   */
  public float[] toFloats() {
    if (!type.isWeight() || elements() > Integer.MAX_VALUE - 8) {
      throw error("has dtype " + type + " and shape " + shape + ", and cannot be read as float32");
    }
    if (type == StoredType.F32) {
      return segment.toArray(JAVA_FLOAT_UNALIGNED);
    }
    short[] stored = segment.toArray(JAVA_SHORT_UNALIGNED);
    float[] values = new float[stored.length];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          type == StoredType.BF16
              ? Float.intBitsToFloat(stored[i] << 16)
              : Float.float16ToFloat(stored[i]);
    }
    return values;
  }

  /** An exception that names the file and this tensor: {@code what} completes the sentence. */
  CheckpointException error(String what) {
    return new CheckpointException(file + ": tensor " + Quote.name(name) + " " + what);
  }
}
