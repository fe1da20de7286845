package io.mla4j.ops;

/**
 * A weight matrix as it is stored: {@code out x in}, row-major. Element (i, j) is {@code tensor[i,
 * j]} as its format widens it.
 *
 * <p>What a format keeps apart from its blocks, such as scales in a plane of their own, belongs
 * here as a further tensor.
 *
 * @param tensor the stored elements, rank 2
 */
public record Weight(Tensor tensor) {
  /** A weight. */
  public static Weight of(Tensor tensor) {
    return new Weight(tensor);
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
}
