package io.mla4j.vector;

import static io.mla4j.vector.Lanes.I;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Coding;
import io.mla4j.ops.Int8;
import io.mla4j.ops.Weight;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import jdk.incubator.vector.IntVector;

/**
 * Products of a quantised weight and rounded activations, as {@link Int8} defines them, for any
 * number of rows. Codes of some rows of the weight are laid out as a panel of float32, rows in the
 * lanes, that all activations pass by: multiply-adds of float32 have twice the rate of what the
 * Vector API has for integers, and sums of a run are exact in them.
 */
final class CodePanels implements CodeProduct {
  /**
   * Elements of a row that pass at a time: panel and activations stay in the second-level cache.
   */
  static final int K_BLOCK = 1024;

  /**
   * The most rows of activations in one call: whole register tiles, and half of a prompt of 512.
   */
  static final int MAX_ROWS = 258;

  /** The most runs in a pass. */
  static final int MAX_RUNS = K_BLOCK / 16;

  /** Between rows of activations: no power of two, which would crowd the cache. */
  static final int X_STRIDE = K_BLOCK + 16;

  /** Between rows of their scales, each followed by as many totals. */
  static final int RUN_STRIDE = 2 * MAX_RUNS + 16;

  private static final int VECTORS = Lanes.WIDE ? 4 : 2;

  /** Rows of the weight in a panel. */
  static final int COLUMNS = VECTORS * L;

  private static final int TILE_ROWS = Lanes.WIDE ? 6 : 4;

  /** Codes, and scale and minimum of each run. */
  private static final int PANEL = (K_BLOCK + 2 * MAX_RUNS) * COLUMNS;

  /** Which lanes of two vectors have an even and an odd number. */
  static final IntVector EVEN = lanes(l -> 2 * l);

  static final IntVector ODD = lanes(l -> 2 * l + 1);

  /** Which lanes of two vectors, rows that differ in a bit, make rows of the transposed pair. */
  static final IntVector LOW_1 = low(1);

  static final IntVector LOW_2 = low(2);
  static final IntVector LOW_4 = low(4);
  static final IntVector LOW_8 = low(8);
  static final IntVector HIGH_1 = high(1);
  static final IntVector HIGH_2 = high(2);
  static final IntVector HIGH_4 = high(4);
  static final IntVector HIGH_8 = high(8);

  private static final ThreadLocal<CodePanels> OF_THREAD = ThreadLocal.withInitial(CodePanels::new);

  private final Codes codes = new Codes();

  /** The slab: everything else is an index of it. */
  float[] m;

  /** Codes of the panel's rows in the lanes, then their scales, then minima; all of each run. */
  int panel;

  /** Elements of a run, runs of the pass, floats of a run of the panel. */
  int run;

  int runs;
  int runFloats;
  int cStride;
  private int x;
  private int scales;
  private Weight weight;
  private Coding coding;

  private CodePanels() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static CodePanels ofThread() {
    return OF_THREAD.get();
  }

  private static IntVector lanes(IntUnaryOperator lane) {
    int[] numbers = new int[L];
    Arrays.setAll(numbers, lane);
    return IntVector.fromArray(I, numbers, 0);
  }

  private static IntVector low(int bit) {
    return lanes(l -> (l & bit) == 0 ? l : L + (l ^ bit));
  }

  private static IntVector high(int bit) {
    return lanes(l -> (l & bit) == 0 ? l | bit : L + l);
  }

  /** Floats that calls with so many rows need of the slab for themselves. */
  static int scratch(int rows) {
    return PANEL + rows * (X_STRIDE + RUN_STRIDE);
  }

  /** n rounded up to whole panels: the room that a row of results needs. */
  static int roundUp(int n) {
    return (n + COLUMNS - 1) / COLUMNS * COLUMNS;
  }

  /**
   * What activations are multiplied with.
   *
   * @param scratch {@link #scratch} floats
   * @param weight (.., k), quantised
   */
  CodePanels set(float[] m, int scratch, Weight weight) {
    this.m = m;
    this.weight = weight;
    coding = weight.format().coding();
    run = coding.run();
    runFloats = (run + (coding.hasMinima() ? 2 : 1)) * COLUMNS;
    panel = scratch;
    return this;
  }

  @Override
  public void times(Codes from, int rows, long first, int n, int c, int cStride) {
    this.cStride = cStride;
    x = panel + PANEL;
    scales = x + rows * X_STRIDE;
    int k = weight.in();
    for (int r = 0; r < rows; r++) {
      Arrays.fill(m, c + r * cStride, c + r * cStride + roundUp(n), 0);
    }
    for (int at = 0; at < k; at += K_BLOCK) {
      int width = Math.min(K_BLOCK, k - at);
      runs = Int8.blocks(width) * Int8.BLOCK / run;
      for (int r = 0; r < rows; r++) {
        setRow(from, r * Int8.blocks(k) * Int8.BLOCK + at, r);
      }
      for (int j = 0; j < n; j += COLUMNS) {
        fillPanel(first + j, Math.min(COLUMNS, n - j), at, width);
        multiply(rows, c + j);
      }
    }
  }

  private void setRow(Codes from, int at, int r) {
    byte[] q = from.codes();
    int to = x + r * X_STRIDE;
    for (int i = 0; i < runs * run; i++) {
      m[to + i] = q[at + i];
    }
    int scale = scales + r * RUN_STRIDE;
    for (int i = 0; i < runs; i++) {
      m[scale + i] = from.scales()[(at + i * run) / Int8.BLOCK];
    }
    if (coding.hasMinima()) {
      for (int i = 0; i < runs; i++) {
        int total = 0;
        for (int j = 0; j < run; j++) {
          total += q[at + i * run + j];
        }
        m[scale + MAX_RUNS + i] = m[scale + i] * (float) total;
      }
    }
  }

  /** Rows of the weight beyond {@code columns} are what an earlier panel left. */
  private void fillPanel(long first, int columns, int column, int width) {
    codes.reserve(L * K_BLOCK);
    for (int lane = 0; lane < columns; lane += L) {
      int rows = Math.min(L, columns - lane);
      for (int r = 0; r < rows; r++) {
        CodeRows.read(weight, first + lane + r, column, codes, r * K_BLOCK, width);
        setScales(codes.scales(), r, run * COLUMNS + lane + r);
        if (coding.hasMinima()) {
          setScales(codes.minima(), r, (run + 1) * COLUMNS + lane + r);
        }
      }
      for (int k = 0; k < runs * run; k += 16) {
        transpose(k, panel + k / run * runFloats + k % run * COLUMNS + lane);
      }
    }
  }

  private void setScales(float[] of, int row, int at) {
    for (int i = 0; i < runs; i++) {
      m[panel + i * runFloats + at] = of[row * K_BLOCK / run + i];
    }
  }

  private void transpose(int k, int to) {
    if (Lanes.WIDE) {
      CodeTiles.transpose16(codes.codes(), k, m, to);
      return;
    }
    byte[] q = codes.codes();
    for (int i = 0; i < 16; i++) {
      for (int l = 0; l < L; l++) {
        m[to + i * COLUMNS + l] = q[l * K_BLOCK + k + i];
      }
    }
  }

  private void multiply(int rows, int c) {
    int r = 0;
    for (; r + TILE_ROWS <= rows; r += TILE_ROWS) {
      tile(x + r * X_STRIDE, scales + r * RUN_STRIDE, c + r * cStride);
    }
    for (; Lanes.WIDE && r + 2 <= rows; r += 2) {
      twoRows(x + r * X_STRIDE, scales + r * RUN_STRIDE, c + r * cStride);
    }
    for (; r < rows; r++) {
      oneRow(x + r * X_STRIDE, scales + r * RUN_STRIDE, c + r * cStride);
    }
  }

  private void tile(int x, int s, int c) {
    if (Lanes.WIDE && coding.hasMinima()) {
      CodeTiles.runs6x4Minima(this, x, s, c);
    } else if (Lanes.WIDE) {
      CodeTiles.runs6x4(this, x, s, c);
    } else if (coding.hasMinima()) {
      CodeTiles.runs4x2Minima(this, x, s, c);
    } else {
      CodeTiles.runs4x2(this, x, s, c);
    }
  }

  private void twoRows(int x, int s, int c) {
    if (coding.hasMinima()) {
      CodeTiles.runs2x4Minima(this, x, s, c);
    } else {
      CodeTiles.runs2x4(this, x, s, c);
    }
  }

  private void oneRow(int x, int s, int c) {
    if (Lanes.WIDE && coding.hasMinima()) {
      CodeTiles.runs1x4Minima(this, x, s, c);
    } else if (Lanes.WIDE) {
      CodeTiles.runs1x4(this, x, s, c);
    } else if (coding.hasMinima()) {
      CodeTiles.runs1x2Minima(this, x, s, c);
    } else {
      CodeTiles.runs1x2(this, x, s, c);
    }
  }
}
