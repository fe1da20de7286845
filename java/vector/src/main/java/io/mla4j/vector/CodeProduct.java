package io.mla4j.vector;

import io.mla4j.ops.Codes;

/** A quantised weight that rounded activations are multiplied with. */
interface CodeProduct {
  /**
   * c[r, j] = product of row r of x and row {@code first + j} of the weight, as {@link
   * io.mla4j.ops.Int8} defines it.
   *
   * @param x (rows, k) rounded, the last block of each filled up with zeros
   * @param n rows of the weight; rows of c have room for {@link CodePanels#roundUp} of them
   */
  void times(Codes x, int rows, long first, int n, int c, int cStride);
}
