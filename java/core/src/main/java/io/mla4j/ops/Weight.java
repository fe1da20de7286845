package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A weight matrix as it is stored: {@code out x in}, row-major. Element (i, j) is {@code tensor[i,
 * j]} as its format widens it, times {@code scales.values[i / blockRows, j / blockColumns]} where
 * it has scales; a product in float32, which is not rounded further.
 *
 * @param tensor the stored elements, rank 2
 * @param scales what a format keeps apart from its elements, or null
 */
public record Weight(Tensor tensor, @Nullable Scales scales) {
  /**
   * Checks that scales fit.
   *
   * @throws InvalidArgumentException where there are more or fewer of them than blocks
   */
  public Weight {
    if (scales != null) {
      Checks.requireNonNull("tensor", tensor);
      if (tensor.rank() != 2) {
        throw new InvalidArgumentException(
            "tensor is " + tensor + ", but must be a matrix where it has scales");
      }
      scales.requireFits(tensor);
    }
  }

  /** A weight without scales. */
  public static Weight of(Tensor tensor) {
    return new Weight(tensor, null);
  }

  /** How its elements are stored. */
  public StorageFormat format() {
    return tensor.format();
  }

  /** Rows: the width of the result. */
  public int out() {
    return Math.toIntExact(tensor.dim(0));
  }

  /** Columns: the width of the input. */
  public int in() {
    return Math.toIntExact(tensor.dim(1));
  }

  /**
   * Whether its rows are integers under scales, whole blocks of 32 of them under each scale of a
   * plane.
   */
  public boolean isQuantised() {
    return format().coding() != null
        && (scales == null
            || scales.blockColumns() % Int8.BLOCK == 0
            || scales.blockColumns() >= in());
  }

  /** Whether a product along its rows is one of integers. */
  public boolean multipliesCodes(ComputeType compute) {
    return compute == ComputeType.INT8 && isQuantised();
  }

  /** Whether it has scales in a plane of their own. */
  public boolean isScaled() {
    return scales != null;
  }

  /** The scales, or NULL. */
  public MemorySegment scaleSegment() {
    return scales == null ? MemorySegment.NULL : scales.values().segment();
  }

  /**
   * Reads a run of a row as float32: {@code to[at + i]} = element (row, column + i) for i below n.
   *
   * @param column where a block of the format begins
   */
  public void widen(long row, long column, float[] to, int at, int n) {
    StorageFormat format = tensor.format();
    format.widen(tensor.segment(), format.bytes(row * tensor.stride(0) + column), to, at, n);
    if (scales != null) {
      scales.multiply(row, column, to, at, n);
    }
  }

  /**
   * Reads a run of a row of a weight that {@link #isQuantised} as integers: {@link
   * StorageFormat#codes}, with its own scales multiplied in.
   *
   * @param column where a block of the format begins, a multiple of 32
   */
  public void codes(long row, long column, Codes to, int at, int n) {
    StorageFormat format = tensor.format();
    format.codes(tensor.segment(), format.bytes(row * tensor.stride(0) + column), to, at, n);
    if (scales != null) {
      scales.multiply(format.requiredCoding(), row, column, to, at, n);
    }
  }

  @Override
  public String toString() {
    return scales == null ? tensor.toString() : tensor + " with scales " + scales.values();
  }
}
