package io.mla4j.vector;

import io.mla4j.ops.Weight;
import java.util.Arrays;

/**
 * x W with the columns of W in the lanes: an element adds the products of the rows of W in their
 * order, whatever the rows of x. Rows of W are widened a few at a time.
 */
final class RowSums {
  /** Rows of W that are widened at a time. */
  private static final int ROWS = 16;

  private static final ThreadLocal<RowSums> OF_THREAD = ThreadLocal.withInitial(RowSums::new);

  /** The slab: x, results and scratch are indices of it. */
  private float[] m;

  private int scratch;
  private Weight weight;
  private int in;
  private int out;

  private RowSums() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static RowSums ofThread() {
    return OF_THREAD.get();
  }

  /** Floats that a call with so many rows of x needs of the slab for itself. */
  static int scratch(int in, int out, int rows) {
    return ROWS * VectorLinear.rowStride(out) + Slab.roundUp(in * rows) + Slab.roundUp(rows);
  }

  /**
   * What x is multiplied with.
   *
   * @param scratch {@link #scratch} floats
   * @param weight (.., out)
   * @param in rows of W, elements of a row of x
   */
  RowSums set(float[] m, int scratch, Weight weight, int in) {
    this.m = m;
    this.scratch = scratch;
    this.weight = weight;
    this.in = in;
    out = weight.in();
    return this;
  }

  /**
   * c[r, j] = sum over i of x[r, i] * w[i, j]; rows of c have room for whole vectors.
   *
   * @param x (rows, xStride)
   * @param first row of the weight that is w[0]
   */
  void times(int x, int xStride, int rows, long first, int c, int cStride) {
    int panelStride = VectorLinear.rowStride(out);
    int columns = Slab.after(scratch, ROWS * panelStride);
    int ones = Slab.after(columns, in * rows);
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < in; i++) {
        m[columns + i * rows + r] = m[x + r * xStride + i];
      }
      Arrays.fill(m, c + r * cStride, c + r * cStride + Lanes.roundUp(out), 0);
    }
    Arrays.fill(m, ones, ones + rows, 1);
    WeightedSums sums = WeightedSums.ofThread().set(m, false, panelStride, out, cStride);
    for (int i = 0; i < in; i += ROWS) {
      int count = Math.min(ROWS, in - i);
      for (int j = 0; j < count; j++) {
        Lanes.widen(weight, first + i + j, 0, m, scratch + j * panelStride, out);
      }
      sums.add(columns + i * rows, rows, rows, scratch, count, ones, c);
    }
  }
}
