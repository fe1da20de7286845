package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.InvalidStateException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = x[indices] W^T + bias}: what {@link Pack} and {@link Multiply} read. Operands may
 * change between two runs, then their kernels are prepared again. Not thread-safe.
 */
public final class MatrixProduct {
  private ComputeType compute = ComputeType.F32;
  private @Nullable Weight weight;
  private MemorySegment bias = MemorySegment.NULL;
  private MemorySegment x = MemorySegment.NULL;
  private MemorySegment indices = MemorySegment.NULL;
  private int rows;
  private long xStride;
  private MemorySegment y = MemorySegment.NULL;
  private long yStride;

  /** A product without operands. */
  public MatrixProduct() {}

  /** The weight (n, k), and what is added to its results: (n) F32 or NULL. */
  public MatrixProduct with(ComputeType compute, Weight weight, MemorySegment bias) {
    this.compute = compute;
    this.weight = weight;
    this.bias = bias;
    return this;
  }

  /** Rows of x (.., k) F32: the first {@code rows}, or those of {@code indices} (rows) I32. */
  public MatrixProduct from(MemorySegment x, long stride, MemorySegment indices, int rows) {
    this.x = x;
    this.xStride = stride;
    this.indices = indices;
    this.rows = rows;
    return this;
  }

  /** The result y (rows, n) F32. */
  public MatrixProduct to(MemorySegment y, long stride) {
    this.y = y;
    this.yStride = stride;
    return this;
  }

  /** What is computed with. */
  public ComputeType compute() {
    return compute;
  }

  /** Whether it is one of integers, see {@link io.mla4j.ops.Int8}. */
  public boolean multipliesCodes() {
    return matrix().multipliesCodes(compute);
  }

  /**
   * The weight.
   *
   * @throws InvalidStateException before there are operands
   */
  public Weight matrix() {
    if (weight == null) {
      throw new InvalidStateException("a product of matrices has no weight yet");
    }
    return weight;
  }

  /** How the weight is stored. */
  public StorageFormat weightType() {
    return matrix().format();
  }

  /** The weight (n, k). */
  public MemorySegment weight() {
    return matrix().tensor().segment();
  }

  /** Elements between rows of the weight. */
  public long weightStride() {
    return matrix().tensor().stride(0);
  }

  /** (n) F32 or NULL. */
  public MemorySegment bias() {
    return bias;
  }

  /** Rows of the result. */
  public int rows() {
    return rows;
  }

  /** Length of a row of x. */
  public int k() {
    return matrix().in();
  }

  /** Rows of the weight. */
  public int n() {
    return matrix().out();
  }

  /** The activations. */
  public MemorySegment x() {
    return x;
  }

  /** Elements between rows of x. */
  public long xStride() {
    return xStride;
  }

  /** Which rows of x, or NULL. */
  public MemorySegment indices() {
    return indices;
  }

  /** The result. */
  public MemorySegment y() {
    return y;
  }

  /** Elements between rows of y. */
  public long yStride() {
    return yStride;
  }

  @Override
  public String toString() {
    return compute + " " + rows + " x " + k() + " times " + matrix().tensor();
  }
}
