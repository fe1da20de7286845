package io.mla4j.ops;

/**
 * A weight matrix as it is stored: {@code out x in}, row-major. Element (i, j) is {@code tensor[i,
 * j]}, times {@code scales[i / blockRows, j / blockColumns]} where there are scales.
 *
 * @param tensor the stored numbers, rank 2
 * @param scales F32 factors, or null
 * @param blockRows rows that share a scale; 0 without scales
 * @param blockColumns columns that share a scale; 0 without scales
 */
public record Weight(Tensor tensor, Tensor scales, int blockRows, int blockColumns) {
  /** A weight without scales. */
  public static Weight of(Tensor tensor) {
    return new Weight(tensor, null, 0, 0);
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
