package io.mla4j.checkpoint;

import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A tensor of a checkpoint, read-only, alive as long as its {@link Checkpoint}.
 *
 * @param name its name in the file
 * @param file the file that holds it
 * @param type its element type
 * @param shape its dimensions; none for a scalar
 * @param segment its bytes, little-endian, contiguous, aligned to the element
 * @param scales that lie elsewhere, where it has such
 */
public record StoredTensor(
    String name,
    Path file,
    StoredType type,
    List<Long> shape,
    MemorySegment segment,
    Optional<StoredScales> scales) {
  /** Keeps its own copy of the shape. */
  public StoredTensor {
    shape = List.copyOf(shape);
  }

  /** A tensor without scales elsewhere. */
  public StoredTensor(
      String name, Path file, StoredType type, List<Long> shape, MemorySegment segment) {
    this(name, file, type, shape, segment, Optional.empty());
  }

  /** The same tensor with scales. */
  StoredTensor scaled(StoredScales by) {
    return new StoredTensor(name, file, type, shape, segment, Optional.of(by));
  }

  /** The same bytes as another type or under another shape. */
  StoredTensor as(StoredType other, List<Long> otherShape) {
    return new StoredTensor(name, file, other, otherShape, segment);
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
   * The same with its scales, for computations.
   *
   * @throws CheckpointException where a type cannot be computed with
   */
  public Weight weight() {
    return new Weight(tensor(), scales.map(StoredScales::scales).orElse(null));
  }

  /** Whether it is a matrix of integers under scales. */
  boolean isQuantised() {
    return shape.size() == 2
        && type.format().filter(format -> format.coding() != null).isPresent()
        && weight().isQuantised();
  }

  /** Bytes in the file, scales included. */
  public long bytes() {
    return segment.byteSize() + scales.map(s -> s.values().bytes()).orElse(0L);
  }

  /**
   * One of the pieces of {@code shape} that lie in this tensor one behind the other, with its
   * scales.
   *
   * @param label what messages call it
   * @param number which of them
   */
  StoredTensor slice(String label, long number, List<Long> shape) {
    long bytes = type.bytes(shape);
    MemorySegment piece = segment.asSlice(number * bytes, bytes);
    return new StoredTensor(
        label, file, type, shape, piece, scales.map(s -> scalesOf(s, number, shape)));
  }

  private StoredScales scalesOf(StoredScales all, long number, List<Long> piece) {
    if (piece.size() != 2 || this.shape.size() < 2) {
      throw error("has scales, but is read as a tensor of shape " + piece);
    }
    return all.rows(
        this.shape.get(this.shape.size() - 2), number * piece.getFirst(), piece.getFirst());
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
