package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
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
  static final int PANEL_STRIDE = K_BLOCK + 16;

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

  private static final ThreadLocal<DotProducts> OF_THREAD =
      ThreadLocal.withInitial(DotProducts::new);

  /** The slab: x, results and scratch are indices of it. */
  private float[] m;

  /** {@link #SCRATCH} floats. */
  private int scratch;

  private Weight weight;
  private StorageFormat format;
  private MemorySegment memory;
  private long strideBytes;
  private int k;

  private DotProducts() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static DotProducts ofThread() {
    return OF_THREAD.get();
  }

  /**
   * What x is multiplied with.
   *
   * @param scratch {@link #SCRATCH} floats
   * @param weight (.., k)
   */
  DotProducts set(float[] m, int scratch, Weight weight) {
    this.m = m;
    this.scratch = scratch;
    this.weight = weight;
    format = weight.format();
    memory = weight.tensor().segment();
    strideBytes = format.bytes(weight.tensor().stride(0));
    k = weight.in();
    return this;
  }

  /**
   * c[r, j] = sum over k of x[r, k] * w[j, k] for r below rows and j below n, rounded up to the
   * width of a panel (4 or 8): rows of c must have room for as many.
   *
   * @param x (rows, xStride) with zeros from k to k rounded up to whole vectors
   * @param first row of the weight that is w[0]
   */
  void times(int x, int xStride, int rows, long first, int n, int c, int cStride) {
    if (rows <= STREAM_ROWS && hasStreams()) {
      timesStreamed(x, xStride, rows, first * strideBytes, n, c, cStride);
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
          int row = scratch + i * PANEL_STRIDE;
          Lanes.widen(weight, first + j + i, at, m, row, width);
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
   * Whether weights go from memory into the sums. Not of F16: widening that takes so many
   * operations that C2 would box the sums.
   */
  private boolean hasStreams() {
    return !weight.isScaled() && (format == StorageFormat.F32 || format == StorageFormat.BF16);
  }

  /** {@link #times} for few rows. */
  private void timesStreamed(int x, int xStride, int rows, long offset, int n, int c, int cStride) {
    int run = n / STREAMS;
    for (int j = 0; j < run; j += STREAM_BLOCK) {
      int count = Math.min(STREAM_BLOCK, run - j);
      for (int i = 0; i < count; i++) {
        long from = offset + (j + i) * strideBytes;
        for (int r = 0; r < rows; r++) {
          int s = scratch + L + (r * STREAM_BLOCK + i) * STREAMS * L;
          multiplyStreams(x + r * xStride, from, run * strideBytes, s);
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
        multiplyStreams(x + r * xStride, offset + j * strideBytes, 0, s);
        m[c + r * cStride + j] = Lanes.sumLanes(FloatVector.fromArray(F, m, s));
      }
    }
  }

  /**
   * The lanes of one row of x times weights that are {@code apart} bytes from each other, a vector
   * for each of them from {@code m[to]} on. Overwrites the vector at {@code scratch}.
   */
  private void multiplyStreams(int x, long from, long apart, int to) {
    int whole = k / L * L;
    if (format == StorageFormat.F32) {
      Tiles.streams4F32(m, x, memory, from, apart, whole, to);
    } else {
      Tiles.streams4Bf16(m, x, memory, from, apart, whole, to);
    }
    if (whole < k) {
      FloatVector a = FloatVector.fromArray(F, m, x + whole);
      Arrays.fill(m, scratch, scratch + L, 0);
      for (int i = 0; i < STREAMS; i++) {
        long rest = from + i * apart + format.bytes(whole);
        Lanes.widen(format, memory, rest, m, scratch, k - whole);
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
        Tiles.panel3x8(m, x + r * xStride, xStride, panel, k, s);
      } else {
        Tiles.panel2x4(m, x + r * xStride, xStride, panel, k, s);
      }
    }
    for (; r < rows; r++) {
      int s = sums + r * PANEL * L;
      if (Lanes.WIDE) {
        Tiles.panel1x8(m, x + r * xStride, panel, k, s);
      } else {
        Tiles.panel1x4(m, x + r * xStride, panel, k, s);
      }
    }
  }
}
