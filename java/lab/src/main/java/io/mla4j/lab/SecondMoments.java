package io.mla4j.lab;

import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;

/** The sum of x x^T over rows, in float64. Only its lower half is summed. */
final class SecondMoments {
  private final double[][] sum;
  private final double[][] block;
  private long rows;

  /** Of rows of n elements. */
  SecondMoments(int n) {
    sum = Accumulation.triangle(n);
    block = new double[Accumulation.BLOCK][n];
  }

  /**
   * Adds rows of n elements, or of n - 1 and a 1.
   *
   * @param x row-major
   * @param stride elements from one row to the next
   * @param from the first element of a row
   * @param count of rows
   */
  void add(float[] x, int stride, int from, int count) {
    int n = sum.length;
    int present = Math.min(n, stride - from);
    for (int first = 0; first < count; first += block.length) {
      int here = Math.min(block.length, count - first);
      for (int t = 0; t < here; t++) {
        int at = (first + t) * stride + from;
        for (int j = 0; j < present; j++) {
          block[t][j] = x[at + j];
        }
        Arrays.fill(block[t], present, n, 1);
      }
      for (int t = here; t < block.length; t++) {
        Arrays.fill(block[t], 0);
      }
      Accumulation.add(sum, block, block);
    }
    rows += count;
  }

  /** The mean over all rows that were added. */
  DMatrixRMaj mean() {
    return Accumulation.symmetric(sum, rows);
  }
}
