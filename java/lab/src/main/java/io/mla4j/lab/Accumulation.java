package io.mla4j.lab;

import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;

/**
 * Sums of products of large matrices in float64, on all threads, in blocks that are copied to where
 * they stay in a processor's second cache: EJML's read all of one factor for every row of the
 * other. Matrices are arrays of rows, since C2 makes vectors of loops over arrays of their own.
 */
final class Accumulation {
  /** Rows of the factors in a block; a multiple of STEP. */
  static final int BLOCK = 64;

  /** Rows of the factors, and of the sum, that a loop has in registers. */
  private static final int STEP = 4;

  /** Elements of a row in a block. */
  private static final int STRETCH = 256;

  private Accumulation() {}

  /**
   * {@code to[i][j] += sum_t left[t][i] right[t][j]} for each j within {@code to[i]}, whose rows
   * have one length, or are a triangle: row i has i + 1 elements.
   *
   * @param left rows of as many elements as {@code to} has rows
   * @param right as many rows as left, a multiple of four
   */
  static void add(double[][] to, double[][] left, double[][] right) {
    int columns = to[to.length - 1].length;
    IntStream stretches = IntStream.range(0, Math.ceilDiv(columns, STRETCH));
    (columns > STRETCH ? stretches.parallel() : stretches)
        .forEach(
            s -> {
              int begin = s * STRETCH;
              new Stretch(to, left, right, begin, Math.min(columns, begin + STRETCH)).add();
            });
  }

  /** Elements begin to end of all rows of a sum. */
  private record Stretch(double[][] to, double[][] left, double[][] right, int begin, int end) {
    void add() {
      double[][] block = new double[Math.min(BLOCK, right.length)][end - begin];
      double[][] sums = new double[STEP][end - begin];
      int first = 0;
      while (to[first].length <= begin) {
        first++;
      }
      for (int t = 0; t < right.length; t += BLOCK) {
        int count = Math.min(BLOCK, right.length - t);
        for (int k = 0; k < count; k++) {
          System.arraycopy(right[t + k], begin, block[k], 0, end - begin);
        }
        for (int i = first; i < to.length; i += STEP) {
          addRows(i, t, count, block, sums);
        }
      }
    }

    /** A block's part of the next rows; what is in {@code sums} does not matter. */
    private void addRows(int i, int t, int count, double[][] block, double[][] sums) {
      int rows = Math.min(STEP, to.length - i);
      for (int r = 0; r < rows; r++) {
        System.arraycopy(to[i + r], begin, sums[r], 0, length(i + r));
      }
      for (int k = 0; k < count; k += STEP) {
        if (rows == STEP) {
          addFour(sums, left, t + k, i, block, k);
        } else {
          for (int r = 0; r < rows; r++) {
            addOne(sums[r], left, t + k, i + r, block, k);
          }
        }
      }
      for (int r = 0; r < rows; r++) {
        System.arraycopy(sums[r], 0, to[i + r], begin, length(i + r));
      }
    }

    private int length(int row) {
      return Math.min(end, to[row].length) - begin;
    }
  }

  /**
   * Four rows of factors to four of the sum, from row i on. Multiply-adds are written as such: C2
   * has no vectors for the sum of sixteen products. A processor without them is older than AVX2.
   */
  private static void addFour(
      double[][] to, double[][] left, int t, int i, double[][] right, int k) {
    double[] l0 = left[t];
    double[] l1 = left[t + 1];
    double[] l2 = left[t + 2];
    double[] l3 = left[t + 3];
    if (areZero(l0, i) && areZero(l1, i) && areZero(l2, i) && areZero(l3, i)) {
      return; // mixings and placements are mostly zeros
    }
    double a0 = l0[i];
    double a1 = l1[i];
    double a2 = l2[i];
    double a3 = l3[i];
    double b0 = l0[i + 1];
    double b1 = l1[i + 1];
    double b2 = l2[i + 1];
    double b3 = l3[i + 1];
    double c0 = l0[i + 2];
    double c1 = l1[i + 2];
    double c2 = l2[i + 2];
    double c3 = l3[i + 2];
    double d0 = l0[i + 3];
    double d1 = l1[i + 3];
    double d2 = l2[i + 3];
    double d3 = l3[i + 3];
    double[] r0 = right[k];
    double[] r1 = right[k + 1];
    double[] r2 = right[k + 2];
    double[] r3 = right[k + 3];
    double[] ta = to[0];
    double[] tb = to[1];
    double[] tc = to[2];
    double[] td = to[3];
    for (int j = 0; j < ta.length; j++) {
      double p = r0[j];
      double q = r1[j];
      double r = r2[j];
      double s = r3[j];
      ta[j] = Math.fma(a3, s, Math.fma(a2, r, Math.fma(a1, q, Math.fma(a0, p, ta[j]))));
      tb[j] = Math.fma(b3, s, Math.fma(b2, r, Math.fma(b1, q, Math.fma(b0, p, tb[j]))));
      tc[j] = Math.fma(c3, s, Math.fma(c2, r, Math.fma(c1, q, Math.fma(c0, p, tc[j]))));
      td[j] = Math.fma(d3, s, Math.fma(d2, r, Math.fma(d1, q, Math.fma(d0, p, td[j]))));
    }
  }

  private static boolean areZero(double[] row, int i) {
    return row[i] == 0 && row[i + 1] == 0 && row[i + 2] == 0 && row[i + 3] == 0;
  }

  /** The same to one row of the sum. */
  private static void addOne(double[] to, double[][] left, int t, int i, double[][] right, int k) {
    double a0 = left[t][i];
    double a1 = left[t + 1][i];
    double a2 = left[t + 2][i];
    double a3 = left[t + 3][i];
    double[] r0 = right[k];
    double[] r1 = right[k + 1];
    double[] r2 = right[k + 2];
    double[] r3 = right[k + 3];
    for (int j = 0; j < to.length; j++) {
      double last = Math.fma(a1, r1[j], Math.fma(a0, r0[j], to[j]));
      to[j] = Math.fma(a3, r3[j], Math.fma(a2, r2[j], last));
    }
  }

  /** The rows of a matrix, and rows of zeros up to a multiple of four. */
  static double[][] rows(DMatrixRMaj a) {
    double[][] rows = new double[Math.ceilDiv(a.numRows, STEP) * STEP][a.numCols];
    for (int i = 0; i < a.numRows; i++) {
      System.arraycopy(a.data, i * a.numCols, rows[i], 0, a.numCols);
    }
    return rows;
  }

  /** The columns of a matrix, and columns of zeros up to a multiple of four. */
  static double[][] columns(DMatrixRMaj a) {
    double[][] columns = new double[Math.ceilDiv(a.numCols, STEP) * STEP][a.numRows];
    // Sixteen rows at a time: of what is written, a cache line each.
    for (int first = 0; first < a.numRows; first += 16) {
      int last = Math.min(a.numRows, first + 16);
      for (int j = 0; j < a.numCols; j++) {
        double[] column = columns[j];
        for (int i = first; i < last; i++) {
          column[i] = a.data[i * a.numCols + j];
        }
      }
    }
    return columns;
  }

  /** {@code left^T right}. */
  static DMatrixRMaj product(double[][] left, double[][] right) {
    int columns = right[0].length;
    double[][] sum = new double[left[0].length][columns];
    add(sum, left, right);
    DMatrixRMaj out = new DMatrixRMaj(sum.length, columns);
    for (int i = 0; i < sum.length; i++) {
      System.arraycopy(sum[i], 0, out.data, i * columns, columns);
    }
    return out;
  }

  /** {@code left^T right} where it is symmetric: half of it is computed. */
  static DMatrixRMaj symmetricProduct(double[][] left, double[][] right) {
    double[][] sum = triangle(left[0].length);
    add(sum, left, right);
    return symmetric(sum, 1);
  }

  /** n rows of zeros, each an element longer than the one before. */
  static double[][] triangle(int n) {
    return IntStream.rangeClosed(1, n).mapToObj(double[]::new).toArray(double[][]::new);
  }

  /** The symmetric matrix with this lower half, divided by a number. */
  static DMatrixRMaj symmetric(double[][] triangle, double divisor) {
    int n = triangle.length;
    DMatrixRMaj out = new DMatrixRMaj(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double value = triangle[i][j] / divisor;
        out.data[i * n + j] = value;
        out.data[j * n + i] = value;
      }
    }
    return out;
  }
}
