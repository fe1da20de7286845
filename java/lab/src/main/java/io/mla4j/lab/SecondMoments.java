package io.mla4j.lab;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;

/**
 * The sum of x x^T over rows, in float64. Only its lower half is summed, in tiles: stretches of
 * some rows of the sum, to which stretches of some rows of x go.
 */
final class SecondMoments {
  /** Rows of x that are widened together. */
  private static final int ROWS = 64;

  /** Those that are added to a stretch at once, so that it is read and written less often. */
  private static final int AT_ONCE = 4;

  private static final int STRETCH = 512;

  /** Rows of the sum for which the rows of x come into the first cache once. */
  private static final int TILE = 16;

  private final double[][] sum;
  private final double[][] block;
  private long rows;

  /** Of rows of n elements. */
  SecondMoments(int n) {
    sum = new double[n][];
    for (int i = 0; i < n; i++) {
      sum[i] = new double[i + 1];
    }
    block = new double[ROWS][n];
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
    for (int first = 0; first < count; first += ROWS) {
      int here = Math.min(ROWS, count - first);
      for (int t = 0; t < here; t++) {
        int at = (first + t) * stride + from;
        for (int j = 0; j < present; j++) {
          block[t][j] = x[at + j];
        }
        Arrays.fill(block[t], present, n, 1);
      }
      for (int t = here; t % AT_ONCE != 0; t++) {
        Arrays.fill(block[t], 0);
      }
      for (int j = 0; j < n; j += STRETCH) {
        int begin = j;
        IntStream tiles = IntStream.range(0, Math.ceilDiv(n - j, TILE));
        (n > STRETCH ? tiles.parallel() : tiles).forEach(tile -> addTile(tile, begin, here));
      }
    }
    rows += count;
  }

  /** To elements {@code begin} and those behind it, at most STRETCH, of some rows of the sum. */
  private void addTile(int tile, int begin, int here) {
    int first = begin + tile * TILE;
    int last = Math.min(sum.length, first + TILE);
    for (int t = 0; t < here; t += AT_ONCE) {
      for (int i = first; i < last; i++) {
        add(i, begin, t);
      }
    }
  }

  /** AT_ONCE rows of x to row i of the sum: C2 has no vectors for the sum of eight. */
  private void add(int i, int begin, int t) {
    double[] to = sum[i];
    double[] r0 = block[t];
    double[] r1 = block[t + 1];
    double[] r2 = block[t + 2];
    double[] r3 = block[t + 3];
    double a0 = r0[i];
    double a1 = r1[i];
    double a2 = r2[i];
    double a3 = r3[i];
    int end = Math.min(i + 1, begin + STRETCH);
    for (int j = begin; j < end; j++) {
      to[j] += a0 * r0[j] + a1 * r1[j] + a2 * r2[j] + a3 * r3[j];
    }
  }

  /** The mean over all rows that were added. */
  DMatrixRMaj mean() {
    int n = sum.length;
    DMatrixRMaj mean = new DMatrixRMaj(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        mean.set(i, j, sum[i][j] / rows);
        mean.set(j, i, sum[i][j] / rows);
      }
    }
    return mean;
  }
}
