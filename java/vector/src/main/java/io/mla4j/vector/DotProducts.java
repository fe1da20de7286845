package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.TensorType;
import io.mla4j.vector.VectorScratch.Use;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * x W^T with k in the lanes. An element is always the same sum, whatever tile computes it: lane l
 * adds the products of the k that are l modulo the lane count, in rising order; then the lanes are
 * added as a tree.
 */
final class DotProducts {
  /** Rows of x that stay in the second-level cache while the weights pass. */
  static final int ROW_BLOCK = 64;

  /** Columns of k that a panel holds: its rows stay in the first-level cache. */
  private static final int K_BLOCK = 1024;

  /**
   * Rows of W that are widened and multiplied together: with {@link #TILE_ROWS} what the registers
   * hold.
   */
  private static final int PANEL = Lanes.WIDE ? 6 : 4;

  private static final int TILE_ROWS = Lanes.WIDE ? 4 : 2;

  private DotProducts() {}

  /**
   * c[r, j] = sum over k of x[r, k] * w[j, k] for r below rows (at most {@link #ROW_BLOCK}) and j
   * below n.
   *
   * @param x (rows, kPadded): zeros from k to kPadded, which is k rounded up to whole vectors
   * @param offset of w[0, 0] in weight, in bytes
   * @param strideBytes between rows of w
   */
  static void times(
      VectorScratch scratch,
      float[] x,
      int xStride,
      int rows,
      int k,
      TensorType type,
      MemorySegment weight,
      long offset,
      long strideBytes,
      int n,
      float[] c,
      int c0,
      int cStride) {
    int vectors = Lanes.roundUp(rows * PANEL);
    float[] panel = scratch.floats(Use.PANEL, PANEL * K_BLOCK);
    float[] tileSums = scratch.floats(Use.TILE_SUMS, vectors * L);
    float[] sums = scratch.floats(Use.SUMS, vectors);
    for (int j = 0; j < n; j += PANEL) {
      int columns = Math.min(PANEL, n - j);
      Arrays.fill(tileSums, 0, vectors * L, 0);
      for (int at = 0; at < k; at += K_BLOCK) {
        int width = Math.min(K_BLOCK, k - at);
        int padded = Lanes.roundUp(width);
        for (int i = 0; i < columns; i++) {
          long from = offset + (j + i) * strideBytes + (long) at * type.bytes();
          Lanes.widen(type, weight, from, panel, i * K_BLOCK, width);
          Arrays.fill(panel, i * K_BLOCK + width, i * K_BLOCK + padded, 0);
        }
        multiply(x, at, xStride, rows, panel, padded, tileSums);
      }
      Lanes.sumLanes(tileSums, vectors, sums);
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < columns; i++) {
          c[c0 + r * cStride + j + i] = sums[r * PANEL + i];
        }
      }
    }
  }

  /**
   * Adds to the vectors at {@code (r * PANEL + j) * L}. Columns beyond those widened hold what an
   * earlier panel left.
   */
  private static void multiply(
      float[] x, int x0, int xStride, int rows, float[] panel, int k, float[] tileSums) {
    int r = 0;
    for (; r + TILE_ROWS <= rows; r += TILE_ROWS) {
      int at = x0 + r * xStride;
      if (Lanes.WIDE) {
        dot4x6(x, at, xStride, panel, 0, K_BLOCK, k, tileSums, r * PANEL * L);
      } else {
        dot2x4(x, at, xStride, panel, 0, K_BLOCK, k, tileSums, r * PANEL * L);
      }
    }
    for (; r < rows; r++) {
      int at = x0 + r * xStride;
      if (Lanes.WIDE) {
        dot1x6(x, at, xStride, panel, 0, K_BLOCK, k, tileSums, r * PANEL * L);
      } else {
        dot1x4(x, at, xStride, panel, 0, K_BLOCK, k, tileSums, r * PANEL * L);
      }
    }
  }

  /** 4 rows of x times 6 rows of w. */
  private static void dot4x6(
      float[] x, int x0, int xStride, float[] w, int w0, int wStride, int k, float[] sums, int s0) {
    int x1 = x0 + xStride;
    int x2 = x1 + xStride;
    int x3 = x2 + xStride;
    int w1 = w0 + wStride;
    int w2 = w1 + wStride;
    int w3 = w2 + wStride;
    int w4 = w3 + wStride;
    int w5 = w4 + wStride;
    FloatVector s00 = FloatVector.fromArray(F, sums, s0);
    FloatVector s01 = FloatVector.fromArray(F, sums, s0 + 1 * L);
    FloatVector s02 = FloatVector.fromArray(F, sums, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, sums, s0 + 3 * L);
    FloatVector s04 = FloatVector.fromArray(F, sums, s0 + 4 * L);
    FloatVector s05 = FloatVector.fromArray(F, sums, s0 + 5 * L);
    FloatVector s10 = FloatVector.fromArray(F, sums, s0 + 6 * L);
    FloatVector s11 = FloatVector.fromArray(F, sums, s0 + 7 * L);
    FloatVector s12 = FloatVector.fromArray(F, sums, s0 + 8 * L);
    FloatVector s13 = FloatVector.fromArray(F, sums, s0 + 9 * L);
    FloatVector s14 = FloatVector.fromArray(F, sums, s0 + 10 * L);
    FloatVector s15 = FloatVector.fromArray(F, sums, s0 + 11 * L);
    FloatVector s20 = FloatVector.fromArray(F, sums, s0 + 12 * L);
    FloatVector s21 = FloatVector.fromArray(F, sums, s0 + 13 * L);
    FloatVector s22 = FloatVector.fromArray(F, sums, s0 + 14 * L);
    FloatVector s23 = FloatVector.fromArray(F, sums, s0 + 15 * L);
    FloatVector s24 = FloatVector.fromArray(F, sums, s0 + 16 * L);
    FloatVector s25 = FloatVector.fromArray(F, sums, s0 + 17 * L);
    FloatVector s30 = FloatVector.fromArray(F, sums, s0 + 18 * L);
    FloatVector s31 = FloatVector.fromArray(F, sums, s0 + 19 * L);
    FloatVector s32 = FloatVector.fromArray(F, sums, s0 + 20 * L);
    FloatVector s33 = FloatVector.fromArray(F, sums, s0 + 21 * L);
    FloatVector s34 = FloatVector.fromArray(F, sums, s0 + 22 * L);
    FloatVector s35 = FloatVector.fromArray(F, sums, s0 + 23 * L);
    for (int i = 0; i < k; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, x, x0 + i);
      FloatVector a1 = FloatVector.fromArray(F, x, x1 + i);
      FloatVector a2 = FloatVector.fromArray(F, x, x2 + i);
      FloatVector a3 = FloatVector.fromArray(F, x, x3 + i);
      FloatVector b = FloatVector.fromArray(F, w, w0 + i);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      s20 = a2.fma(b, s20);
      s30 = a3.fma(b, s30);
      b = FloatVector.fromArray(F, w, w1 + i);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      s21 = a2.fma(b, s21);
      s31 = a3.fma(b, s31);
      b = FloatVector.fromArray(F, w, w2 + i);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      s22 = a2.fma(b, s22);
      s32 = a3.fma(b, s32);
      b = FloatVector.fromArray(F, w, w3 + i);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
      s23 = a2.fma(b, s23);
      s33 = a3.fma(b, s33);
      b = FloatVector.fromArray(F, w, w4 + i);
      s04 = a0.fma(b, s04);
      s14 = a1.fma(b, s14);
      s24 = a2.fma(b, s24);
      s34 = a3.fma(b, s34);
      b = FloatVector.fromArray(F, w, w5 + i);
      s05 = a0.fma(b, s05);
      s15 = a1.fma(b, s15);
      s25 = a2.fma(b, s25);
      s35 = a3.fma(b, s35);
    }
    s00.intoArray(sums, s0);
    s01.intoArray(sums, s0 + 1 * L);
    s02.intoArray(sums, s0 + 2 * L);
    s03.intoArray(sums, s0 + 3 * L);
    s04.intoArray(sums, s0 + 4 * L);
    s05.intoArray(sums, s0 + 5 * L);
    s10.intoArray(sums, s0 + 6 * L);
    s11.intoArray(sums, s0 + 7 * L);
    s12.intoArray(sums, s0 + 8 * L);
    s13.intoArray(sums, s0 + 9 * L);
    s14.intoArray(sums, s0 + 10 * L);
    s15.intoArray(sums, s0 + 11 * L);
    s20.intoArray(sums, s0 + 12 * L);
    s21.intoArray(sums, s0 + 13 * L);
    s22.intoArray(sums, s0 + 14 * L);
    s23.intoArray(sums, s0 + 15 * L);
    s24.intoArray(sums, s0 + 16 * L);
    s25.intoArray(sums, s0 + 17 * L);
    s30.intoArray(sums, s0 + 18 * L);
    s31.intoArray(sums, s0 + 19 * L);
    s32.intoArray(sums, s0 + 20 * L);
    s33.intoArray(sums, s0 + 21 * L);
    s34.intoArray(sums, s0 + 22 * L);
    s35.intoArray(sums, s0 + 23 * L);
  }

  /** 2 rows of x times 4 rows of w. */
  private static void dot2x4(
      float[] x, int x0, int xStride, float[] w, int w0, int wStride, int k, float[] sums, int s0) {
    int x1 = x0 + xStride;
    int w1 = w0 + wStride;
    int w2 = w1 + wStride;
    int w3 = w2 + wStride;
    FloatVector s00 = FloatVector.fromArray(F, sums, s0);
    FloatVector s01 = FloatVector.fromArray(F, sums, s0 + 1 * L);
    FloatVector s02 = FloatVector.fromArray(F, sums, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, sums, s0 + 3 * L);
    FloatVector s10 = FloatVector.fromArray(F, sums, s0 + 4 * L);
    FloatVector s11 = FloatVector.fromArray(F, sums, s0 + 5 * L);
    FloatVector s12 = FloatVector.fromArray(F, sums, s0 + 6 * L);
    FloatVector s13 = FloatVector.fromArray(F, sums, s0 + 7 * L);
    for (int i = 0; i < k; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, x, x0 + i);
      FloatVector a1 = FloatVector.fromArray(F, x, x1 + i);
      FloatVector b = FloatVector.fromArray(F, w, w0 + i);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      b = FloatVector.fromArray(F, w, w1 + i);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      b = FloatVector.fromArray(F, w, w2 + i);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      b = FloatVector.fromArray(F, w, w3 + i);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
    }
    s00.intoArray(sums, s0);
    s01.intoArray(sums, s0 + 1 * L);
    s02.intoArray(sums, s0 + 2 * L);
    s03.intoArray(sums, s0 + 3 * L);
    s10.intoArray(sums, s0 + 4 * L);
    s11.intoArray(sums, s0 + 5 * L);
    s12.intoArray(sums, s0 + 6 * L);
    s13.intoArray(sums, s0 + 7 * L);
  }

  /** 1 row of x times 6 rows of w. */
  private static void dot1x6(
      float[] x, int x0, int xStride, float[] w, int w0, int wStride, int k, float[] sums, int s0) {
    int w1 = w0 + wStride;
    int w2 = w1 + wStride;
    int w3 = w2 + wStride;
    int w4 = w3 + wStride;
    int w5 = w4 + wStride;
    FloatVector s00 = FloatVector.fromArray(F, sums, s0);
    FloatVector s01 = FloatVector.fromArray(F, sums, s0 + 1 * L);
    FloatVector s02 = FloatVector.fromArray(F, sums, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, sums, s0 + 3 * L);
    FloatVector s04 = FloatVector.fromArray(F, sums, s0 + 4 * L);
    FloatVector s05 = FloatVector.fromArray(F, sums, s0 + 5 * L);
    for (int i = 0; i < k; i += L) {
      FloatVector a = FloatVector.fromArray(F, x, x0 + i);
      s00 = a.fma(FloatVector.fromArray(F, w, w0 + i), s00);
      s01 = a.fma(FloatVector.fromArray(F, w, w1 + i), s01);
      s02 = a.fma(FloatVector.fromArray(F, w, w2 + i), s02);
      s03 = a.fma(FloatVector.fromArray(F, w, w3 + i), s03);
      s04 = a.fma(FloatVector.fromArray(F, w, w4 + i), s04);
      s05 = a.fma(FloatVector.fromArray(F, w, w5 + i), s05);
    }
    s00.intoArray(sums, s0);
    s01.intoArray(sums, s0 + 1 * L);
    s02.intoArray(sums, s0 + 2 * L);
    s03.intoArray(sums, s0 + 3 * L);
    s04.intoArray(sums, s0 + 4 * L);
    s05.intoArray(sums, s0 + 5 * L);
  }

  /** 1 row of x times 4 rows of w. */
  private static void dot1x4(
      float[] x, int x0, int xStride, float[] w, int w0, int wStride, int k, float[] sums, int s0) {
    int w1 = w0 + wStride;
    int w2 = w1 + wStride;
    int w3 = w2 + wStride;
    FloatVector s00 = FloatVector.fromArray(F, sums, s0);
    FloatVector s01 = FloatVector.fromArray(F, sums, s0 + 1 * L);
    FloatVector s02 = FloatVector.fromArray(F, sums, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, sums, s0 + 3 * L);
    for (int i = 0; i < k; i += L) {
      FloatVector a = FloatVector.fromArray(F, x, x0 + i);
      s00 = a.fma(FloatVector.fromArray(F, w, w0 + i), s00);
      s01 = a.fma(FloatVector.fromArray(F, w, w1 + i), s01);
      s02 = a.fma(FloatVector.fromArray(F, w, w2 + i), s02);
      s03 = a.fma(FloatVector.fromArray(F, w, w3 + i), s03);
    }
    s00.intoArray(sums, s0);
    s01.intoArray(sums, s0 + 1 * L);
    s02.intoArray(sums, s0 + 2 * L);
    s03.intoArray(sums, s0 + 3 * L);
  }
}
