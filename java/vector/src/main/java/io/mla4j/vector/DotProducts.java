package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * x W^T with k in the lanes. An element is always the same sum, whatever tile computes it: lane l
 * adds the products of the k that are l modulo the lane count, in rising order; then the lanes are
 * added as a tree.
 */
final class DotProducts {
  /** The most rows of x in one call. */
  static final int MAX_ROWS = 96;

  /** Columns of k that a panel holds: its rows stay in the first-level cache. */
  private static final int K_BLOCK = 1024;

  /**
   * Between rows of a panel. A constant, so that a tile needs one address for all of them; no power
   * of two, which would crowd the cache.
   */
  private static final int PANEL_STRIDE = K_BLOCK + 16;

  /**
   * Rows of W that are widened and multiplied together: with {@link #TILE_ROWS} what the registers
   * hold.
   */
  private static final int PANEL = Lanes.WIDE ? 8 : 4;

  private static final int TILE_ROWS = Lanes.WIDE ? 3 : 2;

  /**
   * Up to so many rows of x, weights are read again from the cache for each row rather than widened
   * to memory first.
   */
  private static final int STREAM_ROWS = 8;

  private static final VectorSpecies<Float> PANEL_ROW =
      Lanes.WIDE ? FloatVector.SPECIES_256 : FloatVector.SPECIES_128;

  /** Floats that a call needs of the slab for itself. */
  static final int SCRATCH = PANEL * PANEL_STRIDE + Slab.roundUp(MAX_ROWS * PANEL * L);

  private DotProducts() {}

  /**
   * c[r, j] = sum over k of x[r, k] * w[j, k] for r below rows and j below n, rounded up to the
   * width of a panel (4 or 8): rows of c must have room for as many.
   *
   * @param m the slab: x, c and scratch are indices of it
   * @param scratch {@link #SCRATCH} floats
   * @param x (rows, xStride) with zeros from k to k rounded up to whole vectors
   * @param offset of w[0, 0] in weight, in bytes
   * @param strideBytes between rows of w
   */
  static void times(
      float[] m,
      int scratch,
      int x,
      int xStride,
      int rows,
      int k,
      TensorType type,
      MemorySegment weight,
      long offset,
      long strideBytes,
      int n,
      int c,
      int cStride) {
    int sums = scratch + PANEL * PANEL_STRIDE;
    int vectors = Lanes.roundUp(rows * PANEL);
    for (int j = 0; j < n; j += PANEL) {
      int columns = Math.min(PANEL, n - j);
      Arrays.fill(m, sums, sums + vectors * L, 0);
      int streamed = 0;
      if (rows <= STREAM_ROWS && columns == PANEL) {
        long from = offset + j * strideBytes;
        if (type != TensorType.F32 && strideBytes == (long) k * type.bytes()) {
          m[scratch] = Lanes.touch(weight, from, PANEL * strideBytes);
        }
        if (type != TensorType.F16) {
          streamed = addStreamed(m, x, xStride, rows, k, type, weight, from, strideBytes, sums);
        }
      }
      for (int at = streamed; at < k; at += K_BLOCK) {
        int width = Math.min(K_BLOCK, k - at);
        int padded = Lanes.roundUp(width);
        for (int i = 0; i < columns; i++) {
          long from = offset + (j + i) * strideBytes + (long) at * type.bytes();
          int row = scratch + i * PANEL_STRIDE;
          Lanes.widen(type, weight, from, m, row, width);
          Arrays.fill(m, row + width, row + padded, 0);
        }
        multiply(m, x + at, xStride, rows, scratch, padded, sums);
      }
      Lanes.sumLanes(m, sums, vectors);
      for (int r = 0; r < rows; r++) {
        FloatVector.fromArray(PANEL_ROW, m, sums + r * PANEL).intoArray(m, c + r * cStride + j);
      }
    }
  }

  /**
   * For the few rows of a decode step, whole vectors of stored weights go from memory into the
   * sums: what bounds it is the memory, and it reads fastest as a few steady streams. Not for F16:
   * widening it takes so many operations that C2 would box the sums.
   *
   * @return the columns of k that are done, from the first
   */
  private static int addStreamed(
      float[] m,
      int x,
      int xStride,
      int rows,
      int k,
      TensorType type,
      MemorySegment weight,
      long offset,
      long strideBytes,
      int sums) {
    int whole = k / L * L;
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < PANEL; i += 4) {
        long from = offset + i * strideBytes;
        int s = sums + (r * PANEL + i) * L;
        if (type == TensorType.BF16) {
          dotBf16(m, x + r * xStride, weight, from, strideBytes, whole, s);
        } else {
          dotF32(m, x + r * xStride, weight, from, strideBytes, whole, s);
        }
      }
    }
    return whole;
  }

  /**
   * Adds to the vectors at {@code (r * PANEL + j) * L}. Columns beyond those widened hold what an
   * earlier panel left.
   */
  private static void multiply(
      float[] m, int x, int xStride, int rows, int panel, int k, int sums) {
    int r = 0;
    for (; r + TILE_ROWS <= rows; r += TILE_ROWS) {
      int s = sums + r * PANEL * L;
      if (Lanes.WIDE) {
        dot3x8(m, x + r * xStride, xStride, panel, k, s);
      } else {
        dot2x4(m, x + r * xStride, xStride, panel, k, s);
      }
    }
    for (; r < rows; r++) {
      int s = sums + r * PANEL * L;
      if (Lanes.WIDE) {
        dot1x8(m, x + r * xStride, panel, k, s);
      } else {
        dot1x4(m, x + r * xStride, panel, k, s);
      }
    }
  }

  /** 3 rows of x times 8 rows of the panel. */
  private static void dot3x8(float[] m, int x0, int xStride, int w0, int k, int s0) {
    int x1 = x0 + xStride;
    int x2 = x1 + xStride;
    FloatVector s00 = FloatVector.fromArray(F, m, s0);
    FloatVector s01 = FloatVector.fromArray(F, m, s0 + L);
    FloatVector s02 = FloatVector.fromArray(F, m, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, m, s0 + 3 * L);
    FloatVector s04 = FloatVector.fromArray(F, m, s0 + 4 * L);
    FloatVector s05 = FloatVector.fromArray(F, m, s0 + 5 * L);
    FloatVector s06 = FloatVector.fromArray(F, m, s0 + 6 * L);
    FloatVector s07 = FloatVector.fromArray(F, m, s0 + 7 * L);
    FloatVector s10 = FloatVector.fromArray(F, m, s0 + 8 * L);
    FloatVector s11 = FloatVector.fromArray(F, m, s0 + 9 * L);
    FloatVector s12 = FloatVector.fromArray(F, m, s0 + 10 * L);
    FloatVector s13 = FloatVector.fromArray(F, m, s0 + 11 * L);
    FloatVector s14 = FloatVector.fromArray(F, m, s0 + 12 * L);
    FloatVector s15 = FloatVector.fromArray(F, m, s0 + 13 * L);
    FloatVector s16 = FloatVector.fromArray(F, m, s0 + 14 * L);
    FloatVector s17 = FloatVector.fromArray(F, m, s0 + 15 * L);
    FloatVector s20 = FloatVector.fromArray(F, m, s0 + 16 * L);
    FloatVector s21 = FloatVector.fromArray(F, m, s0 + 17 * L);
    FloatVector s22 = FloatVector.fromArray(F, m, s0 + 18 * L);
    FloatVector s23 = FloatVector.fromArray(F, m, s0 + 19 * L);
    FloatVector s24 = FloatVector.fromArray(F, m, s0 + 20 * L);
    FloatVector s25 = FloatVector.fromArray(F, m, s0 + 21 * L);
    FloatVector s26 = FloatVector.fromArray(F, m, s0 + 22 * L);
    FloatVector s27 = FloatVector.fromArray(F, m, s0 + 23 * L);
    for (int i = 0; i < k; i += L) {
      int at = w0 + i;
      FloatVector a0 = FloatVector.fromArray(F, m, x0 + i);
      FloatVector a1 = FloatVector.fromArray(F, m, x1 + i);
      FloatVector a2 = FloatVector.fromArray(F, m, x2 + i);
      FloatVector b = FloatVector.fromArray(F, m, at);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      s20 = a2.fma(b, s20);
      b = FloatVector.fromArray(F, m, at + PANEL_STRIDE);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      s21 = a2.fma(b, s21);
      b = FloatVector.fromArray(F, m, at + 2 * PANEL_STRIDE);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      s22 = a2.fma(b, s22);
      b = FloatVector.fromArray(F, m, at + 3 * PANEL_STRIDE);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
      s23 = a2.fma(b, s23);
      b = FloatVector.fromArray(F, m, at + 4 * PANEL_STRIDE);
      s04 = a0.fma(b, s04);
      s14 = a1.fma(b, s14);
      s24 = a2.fma(b, s24);
      b = FloatVector.fromArray(F, m, at + 5 * PANEL_STRIDE);
      s05 = a0.fma(b, s05);
      s15 = a1.fma(b, s15);
      s25 = a2.fma(b, s25);
      b = FloatVector.fromArray(F, m, at + 6 * PANEL_STRIDE);
      s06 = a0.fma(b, s06);
      s16 = a1.fma(b, s16);
      s26 = a2.fma(b, s26);
      b = FloatVector.fromArray(F, m, at + 7 * PANEL_STRIDE);
      s07 = a0.fma(b, s07);
      s17 = a1.fma(b, s17);
      s27 = a2.fma(b, s27);
    }
    s00.intoArray(m, s0);
    s01.intoArray(m, s0 + L);
    s02.intoArray(m, s0 + 2 * L);
    s03.intoArray(m, s0 + 3 * L);
    s04.intoArray(m, s0 + 4 * L);
    s05.intoArray(m, s0 + 5 * L);
    s06.intoArray(m, s0 + 6 * L);
    s07.intoArray(m, s0 + 7 * L);
    s10.intoArray(m, s0 + 8 * L);
    s11.intoArray(m, s0 + 9 * L);
    s12.intoArray(m, s0 + 10 * L);
    s13.intoArray(m, s0 + 11 * L);
    s14.intoArray(m, s0 + 12 * L);
    s15.intoArray(m, s0 + 13 * L);
    s16.intoArray(m, s0 + 14 * L);
    s17.intoArray(m, s0 + 15 * L);
    s20.intoArray(m, s0 + 16 * L);
    s21.intoArray(m, s0 + 17 * L);
    s22.intoArray(m, s0 + 18 * L);
    s23.intoArray(m, s0 + 19 * L);
    s24.intoArray(m, s0 + 20 * L);
    s25.intoArray(m, s0 + 21 * L);
    s26.intoArray(m, s0 + 22 * L);
    s27.intoArray(m, s0 + 23 * L);
  }

  /** 2 rows of x times 4 rows of the panel. */
  private static void dot2x4(float[] m, int x0, int xStride, int w0, int k, int s0) {
    int x1 = x0 + xStride;
    FloatVector s00 = FloatVector.fromArray(F, m, s0);
    FloatVector s01 = FloatVector.fromArray(F, m, s0 + L);
    FloatVector s02 = FloatVector.fromArray(F, m, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, m, s0 + 3 * L);
    FloatVector s10 = FloatVector.fromArray(F, m, s0 + 4 * L);
    FloatVector s11 = FloatVector.fromArray(F, m, s0 + 5 * L);
    FloatVector s12 = FloatVector.fromArray(F, m, s0 + 6 * L);
    FloatVector s13 = FloatVector.fromArray(F, m, s0 + 7 * L);
    for (int i = 0; i < k; i += L) {
      int at = w0 + i;
      FloatVector a0 = FloatVector.fromArray(F, m, x0 + i);
      FloatVector a1 = FloatVector.fromArray(F, m, x1 + i);
      FloatVector b = FloatVector.fromArray(F, m, at);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      b = FloatVector.fromArray(F, m, at + PANEL_STRIDE);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      b = FloatVector.fromArray(F, m, at + 2 * PANEL_STRIDE);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      b = FloatVector.fromArray(F, m, at + 3 * PANEL_STRIDE);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
    }
    s00.intoArray(m, s0);
    s01.intoArray(m, s0 + L);
    s02.intoArray(m, s0 + 2 * L);
    s03.intoArray(m, s0 + 3 * L);
    s10.intoArray(m, s0 + 4 * L);
    s11.intoArray(m, s0 + 5 * L);
    s12.intoArray(m, s0 + 6 * L);
    s13.intoArray(m, s0 + 7 * L);
  }

  /** 1 row of x times 8 rows of the panel. */
  private static void dot1x8(float[] m, int x0, int w0, int k, int s0) {
    FloatVector s00 = FloatVector.fromArray(F, m, s0);
    FloatVector s01 = FloatVector.fromArray(F, m, s0 + L);
    FloatVector s02 = FloatVector.fromArray(F, m, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, m, s0 + 3 * L);
    FloatVector s04 = FloatVector.fromArray(F, m, s0 + 4 * L);
    FloatVector s05 = FloatVector.fromArray(F, m, s0 + 5 * L);
    FloatVector s06 = FloatVector.fromArray(F, m, s0 + 6 * L);
    FloatVector s07 = FloatVector.fromArray(F, m, s0 + 7 * L);
    for (int i = 0; i < k; i += L) {
      int at = w0 + i;
      FloatVector a0 = FloatVector.fromArray(F, m, x0 + i);
      FloatVector b = FloatVector.fromArray(F, m, at);
      s00 = a0.fma(b, s00);
      b = FloatVector.fromArray(F, m, at + PANEL_STRIDE);
      s01 = a0.fma(b, s01);
      b = FloatVector.fromArray(F, m, at + 2 * PANEL_STRIDE);
      s02 = a0.fma(b, s02);
      b = FloatVector.fromArray(F, m, at + 3 * PANEL_STRIDE);
      s03 = a0.fma(b, s03);
      b = FloatVector.fromArray(F, m, at + 4 * PANEL_STRIDE);
      s04 = a0.fma(b, s04);
      b = FloatVector.fromArray(F, m, at + 5 * PANEL_STRIDE);
      s05 = a0.fma(b, s05);
      b = FloatVector.fromArray(F, m, at + 6 * PANEL_STRIDE);
      s06 = a0.fma(b, s06);
      b = FloatVector.fromArray(F, m, at + 7 * PANEL_STRIDE);
      s07 = a0.fma(b, s07);
    }
    s00.intoArray(m, s0);
    s01.intoArray(m, s0 + L);
    s02.intoArray(m, s0 + 2 * L);
    s03.intoArray(m, s0 + 3 * L);
    s04.intoArray(m, s0 + 4 * L);
    s05.intoArray(m, s0 + 5 * L);
    s06.intoArray(m, s0 + 6 * L);
    s07.intoArray(m, s0 + 7 * L);
  }

  /** 1 row of x times 4 rows of the panel. */
  private static void dot1x4(float[] m, int x0, int w0, int k, int s0) {
    FloatVector s00 = FloatVector.fromArray(F, m, s0);
    FloatVector s01 = FloatVector.fromArray(F, m, s0 + L);
    FloatVector s02 = FloatVector.fromArray(F, m, s0 + 2 * L);
    FloatVector s03 = FloatVector.fromArray(F, m, s0 + 3 * L);
    for (int i = 0; i < k; i += L) {
      int at = w0 + i;
      FloatVector a0 = FloatVector.fromArray(F, m, x0 + i);
      FloatVector b = FloatVector.fromArray(F, m, at);
      s00 = a0.fma(b, s00);
      b = FloatVector.fromArray(F, m, at + PANEL_STRIDE);
      s01 = a0.fma(b, s01);
      b = FloatVector.fromArray(F, m, at + 2 * PANEL_STRIDE);
      s02 = a0.fma(b, s02);
      b = FloatVector.fromArray(F, m, at + 3 * PANEL_STRIDE);
      s03 = a0.fma(b, s03);
    }
    s00.intoArray(m, s0);
    s01.intoArray(m, s0 + L);
    s02.intoArray(m, s0 + 2 * L);
    s03.intoArray(m, s0 + 3 * L);
  }

  /** One row of x times four stored BF16 rows. */
  private static void dotBf16(
      float[] m, int x, MemorySegment w, long w0, long stride, int k, int s) {
    long w1 = w0 + stride;
    long w2 = w1 + stride;
    long w3 = w2 + stride;
    FloatVector s0 = FloatVector.fromArray(F, m, s);
    FloatVector s1 = FloatVector.fromArray(F, m, s + L);
    FloatVector s2 = FloatVector.fromArray(F, m, s + 2 * L);
    FloatVector s3 = FloatVector.fromArray(F, m, s + 3 * L);
    for (int i = 0; i < k; i += L) {
      FloatVector a = FloatVector.fromArray(F, m, x + i);
      s0 = a.fma(Lanes.loadBf16(w, w0 + 2L * i), s0);
      s1 = a.fma(Lanes.loadBf16(w, w1 + 2L * i), s1);
      s2 = a.fma(Lanes.loadBf16(w, w2 + 2L * i), s2);
      s3 = a.fma(Lanes.loadBf16(w, w3 + 2L * i), s3);
    }
    s0.intoArray(m, s);
    s1.intoArray(m, s + L);
    s2.intoArray(m, s + 2 * L);
    s3.intoArray(m, s + 3 * L);
  }

  /** One row of x times four stored F32 rows. */
  private static void dotF32(
      float[] m, int x, MemorySegment w, long w0, long stride, int k, int s) {
    long w1 = w0 + stride;
    long w2 = w1 + stride;
    long w3 = w2 + stride;
    FloatVector s0 = FloatVector.fromArray(F, m, s);
    FloatVector s1 = FloatVector.fromArray(F, m, s + L);
    FloatVector s2 = FloatVector.fromArray(F, m, s + 2 * L);
    FloatVector s3 = FloatVector.fromArray(F, m, s + 3 * L);
    for (int i = 0; i < k; i += L) {
      FloatVector a = FloatVector.fromArray(F, m, x + i);
      s0 = a.fma(FloatVector.fromMemorySegment(F, w, w0 + 4L * i, ByteOrder.LITTLE_ENDIAN), s0);
      s1 = a.fma(FloatVector.fromMemorySegment(F, w, w1 + 4L * i, ByteOrder.LITTLE_ENDIAN), s1);
      s2 = a.fma(FloatVector.fromMemorySegment(F, w, w2 + 4L * i, ByteOrder.LITTLE_ENDIAN), s2);
      s3 = a.fma(FloatVector.fromMemorySegment(F, w, w3 + 4L * i, ByteOrder.LITTLE_ENDIAN), s3);
    }
    s0.intoArray(m, s);
    s1.intoArray(m, s + L);
    s2.intoArray(m, s + 2 * L);
    s3.intoArray(m, s + 3 * L);
  }
}
