package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;
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
   * Up to so many rows of x, memory is what a product waits for. Weights then go from there into
   * the sums as they are stored, for further rows of x from the cache.
   */
  static final int STREAM_ROWS = 8;

  /**
   * Runs of rows of W, each of them contiguous, that are read side by side. One waits at every
   * page, since the processor does not look beyond it; neighbouring rows, a power of two apart, get
   * into each other's way; runs in pieces are read at half the speed. Eight or twelve runs would
   * share the reading of a long x, but C2 compiles such a loop well at one time and badly at
   * another.
   */
  private static final int STREAMS = 4;

  /** Outputs of a stream that are summed over their lanes together: whole vectors of sums. */
  private static final int STREAM_BLOCK = 4;

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
      StorageFormat type,
      MemorySegment weight,
      long offset,
      long strideBytes,
      int n,
      int c,
      int cStride) {
    if (rows <= STREAM_ROWS && type != StorageFormat.F16) {
      timesStreamed(
          m, scratch, x, xStride, rows, k, type, weight, offset, strideBytes, n, c, cStride);
      return;
    }
    int sums = scratch + PANEL * PANEL_STRIDE;
    int vectors = Lanes.roundUp(rows * PANEL);
    for (int j = 0; j < n; j += PANEL) {
      int columns = Math.min(PANEL, n - j);
      Arrays.fill(m, sums, sums + vectors * L, 0);
      for (int at = 0; at < k; at += K_BLOCK) {
        int width = Math.min(K_BLOCK, k - at);
        int padded = Lanes.roundUp(width);
        for (int i = 0; i < columns; i++) {
          long from = offset + (j + i) * strideBytes + type.bytes(at);
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
   * {@link #times} for few rows, not of F16: widening that takes so many operations that C2 would
   * box the sums.
   */
  private static void timesStreamed(
      float[] m,
      int scratch,
      int x,
      int xStride,
      int rows,
      int k,
      StorageFormat type,
      MemorySegment weight,
      long offset,
      long strideBytes,
      int n,
      int c,
      int cStride) {
    int run = n / STREAMS;
    for (int j = 0; j < run; j += STREAM_BLOCK) {
      int count = Math.min(STREAM_BLOCK, run - j);
      for (int i = 0; i < count; i++) {
        long from = offset + (j + i) * strideBytes;
        for (int r = 0; r < rows; r++) {
          int s = scratch + L + (r * STREAM_BLOCK + i) * STREAMS * L;
          dots(m, scratch, x + r * xStride, k, type, weight, from, run * strideBytes, s);
        }
      }
      int sums = scratch + L;
      Lanes.sumLanes(m, sums, rows * STREAM_BLOCK * STREAMS);
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < count; i++) {
          for (int stream = 0; stream < STREAMS; stream++) {
            m[c + r * cStride + stream * run + j + i] = m[sums++];
          }
        }
        sums += (STREAM_BLOCK - count) * STREAMS;
      }
    }
    for (int j = STREAMS * run; j < n; j++) {
      for (int r = 0; r < rows; r++) {
        int s = scratch + L;
        long from = offset + j * strideBytes;
        dots(m, scratch, x + r * xStride, k, type, weight, from, 0, s);
        m[c + r * cStride + j] = Lanes.sumLanes(FloatVector.fromArray(F, m, s));
      }
    }
  }

  /**
   * The lanes of one row of x times weights that are {@code apart} bytes from each other, a vector
   * for each of them from {@code m[to]} on. Overwrites the vector at {@code scratch}.
   */
  private static void dots(
      float[] m,
      int scratch,
      int x,
      int k,
      StorageFormat type,
      MemorySegment weight,
      long from,
      long apart,
      int to) {
    int whole = k / L * L;
    if (type == StorageFormat.F32) {
      dot4F32(m, x, weight, from, apart, whole, to);
    } else {
      dot4Bf16(m, x, weight, from, apart, whole, to);
    }
    if (whole < k) {
      FloatVector a = FloatVector.fromArray(F, m, x + whole);
      Arrays.fill(m, scratch, scratch + L, 0);
      for (int i = 0; i < STREAMS; i++) {
        long rest = from + i * apart + type.bytes(whole);
        Lanes.widen(type, weight, rest, m, scratch, k - whole);
        FloatVector b = FloatVector.fromArray(F, m, scratch);
        a.fma(b, FloatVector.fromArray(F, m, to + i * L)).intoArray(m, to + i * L);
      }
    }
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
  private static void dot4Bf16(
      float[] m, int x, MemorySegment w, long w0, long apart, int k, int to) {
    long w1 = w0 + apart;
    long w2 = w1 + apart;
    long w3 = w2 + apart;
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (int i = 0; i < k; i += L) {
      FloatVector a = FloatVector.fromArray(F, m, x + i);
      s0 = a.fma(Lanes.loadBf16(w, w0 + 2L * i), s0);
      s1 = a.fma(Lanes.loadBf16(w, w1 + 2L * i), s1);
      s2 = a.fma(Lanes.loadBf16(w, w2 + 2L * i), s2);
      s3 = a.fma(Lanes.loadBf16(w, w3 + 2L * i), s3);
    }
    s0.intoArray(m, to);
    s1.intoArray(m, to + L);
    s2.intoArray(m, to + 2 * L);
    s3.intoArray(m, to + 3 * L);
  }

  /** One row of x times four stored F32 rows. */
  private static void dot4F32(
      float[] m, int x, MemorySegment w, long w0, long apart, int k, int to) {
    long w1 = w0 + apart;
    long w2 = w1 + apart;
    long w3 = w2 + apart;
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (int i = 0; i < k; i += L) {
      FloatVector a = FloatVector.fromArray(F, m, x + i);
      s0 = a.fma(FloatVector.fromMemorySegment(F, w, w0 + 4L * i, LITTLE_ENDIAN), s0);
      s1 = a.fma(FloatVector.fromMemorySegment(F, w, w1 + 4L * i, LITTLE_ENDIAN), s1);
      s2 = a.fma(FloatVector.fromMemorySegment(F, w, w2 + 4L * i, LITTLE_ENDIAN), s2);
      s3 = a.fma(FloatVector.fromMemorySegment(F, w, w3 + 4L * i, LITTLE_ENDIAN), s3);
    }
    s0.intoArray(m, to);
    s1.intoArray(m, to + L);
    s2.intoArray(m, to + 2 * L);
    s3.intoArray(m, to + 3 * L);
  }
}
