package io.mla4j.vector;

import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Coding;
import io.mla4j.ops.Int8;
import io.mla4j.ops.Weight;
import java.util.Arrays;

/**
 * Products of a quantised weight of any format and few rows of rounded activations, as {@link Int8}
 * defines them. Rows of the weight are unpacked to bytes four at a time and multiplied at once, as
 * integers with codes in the lanes; a panel, which turns rows into lanes first, only pays where
 * many activations pass by it.
 */
final class CodeDots implements CodeProduct {
  /** Up to so many rows of activations; from there on a panel costs less. */
  static final int MAX_ROWS = 4;

  /** Codes that are multiplied at once: a vector of bytes. */
  static final int STEP = 4 * L;

  /** Vectors with the sums of L rows in a step: each has those of four. */
  static final int QUADS = L / 4;

  private static final ThreadLocal<CodeDots> OF_THREAD = ThreadLocal.withInitial(CodeDots::new);

  private final Codes codes = new Codes();

  /** Codes of four rows of the weight, {@link #stride} apart. */
  byte[] weights = {};

  int stride;

  /** Steps of a row. */
  int steps;

  /** Codes of rows of activations, in each step those of even number first. */
  short[] x = {};

  /** (rows, steps, QUADS, L): what {@link CodeTiles} sums. */
  int[] sums = {};

  /** The slab: scales, minima and results are indices of it. */
  float[] m;

  /** (rows, runs) scales of the activations, and scale times the sum of codes of each run. */
  private int scales;

  private int totals;

  /** (runs, L) scales and minima of the weight, a lane for each row. */
  int weightScales;

  int weightMinima;

  /** L sums of a fold. */
  int to;

  private int runs;
  private Weight weight;
  private Coding coding;

  private CodeDots() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static CodeDots ofThread() {
    return OF_THREAD.get();
  }

  /** Whether such a product is one of these. */
  static boolean fits(int rows) {
    return L >= 8 && rows <= MAX_ROWS;
  }

  private static int steps(Weight weight) {
    return Math.ceilDiv(weight.in(), STEP);
  }

  private static int runs(Weight weight) {
    return steps(weight) * STEP / weight.format().coding().run();
  }

  /** Floats that a call needs of the slab for itself. */
  static int scratch(Weight weight) {
    return 2 * (MAX_ROWS + L) * runs(weight) + L;
  }

  /**
   * What activations are multiplied with.
   *
   * @param scratch {@link #scratch} floats
   * @param weight (.., k), quantised
   */
  CodeDots set(float[] m, int scratch, Weight weight) {
    this.m = m;
    this.weight = weight;
    coding = weight.format().coding();
    steps = steps(weight);
    runs = runs(weight);
    // Room for whole blocks, and not a power of two, which would crowd the cache.
    stride = Math.ceilDiv((int) weight.format().padded(weight.in()), STEP) * STEP + STEP;
    codes.reserve(4 * stride);
    weights = codes.codes();
    scales = scratch;
    totals = scales + MAX_ROWS * runs;
    weightScales = totals + MAX_ROWS * runs;
    weightMinima = weightScales + runs * L;
    to = weightMinima + runs * L;
    if (sums.length < MAX_ROWS * steps * QUADS * L) {
      sums = new int[MAX_ROWS * steps * QUADS * L];
      x = new short[MAX_ROWS * steps * STEP];
    }
    return this;
  }

  @Override
  public void times(Codes from, int rows, long first, int n, int c, int cStride) {
    for (int r = 0; r < rows; r++) {
      setRow(from, r);
    }
    for (int j = 0; j < n; j += L) {
      int count = Math.min(L, n - j);
      for (int quad = 0; 4 * quad < count; quad++) {
        for (int i = 0; i < Math.min(4, count - 4 * quad); i++) {
          read(first + j + 4 * quad + i, i, 4 * quad + i);
        }
        for (int r = 0; r < rows; r++) {
          CodeTiles.dot4(this, r * steps * STEP, (r * steps * QUADS + quad) * L);
        }
      }
      for (int r = 0; r < rows; r++) {
        fold(r);
        System.arraycopy(m, to, m, c + r * cStride + j, count);
      }
    }
  }

  private void setRow(Codes from, int r) {
    int blocks = Int8.blocks(weight.in());
    byte[] q = from.codes();
    int begin = r * blocks * Int8.BLOCK;
    int at = r * steps * STEP;
    Arrays.fill(x, at, at + steps * STEP, (short) 0);
    for (int i = 0; i < blocks * Int8.BLOCK; i++) {
      int step = i / STEP;
      int lane = i % STEP;
      x[at + step * STEP + lane / 2 + lane % 2 * (STEP / 2)] = q[begin + i];
    }
    for (int i = 0; i < runs; i++) {
      boolean padding = i * coding.run() >= blocks * Int8.BLOCK;
      int total = 0;
      for (int j = 0; j < coding.run() && !padding; j++) {
        total += q[begin + i * coding.run() + j];
      }
      float scale = padding ? 0 : from.scales()[(begin + i * coding.run()) / Int8.BLOCK];
      m[scales + r * runs + i] = scale;
      m[totals + r * runs + i] = scale * (float) total;
    }
  }

  /** Row {@code row} of the weight becomes row {@code i} of four, lane {@code lane} of L. */
  private void read(long row, int i, int lane) {
    CodeRows.read(weight, row, 0, codes, i * stride, weight.in());
    int own = Int8.blocks(weight.in()) * Int8.BLOCK / coding.run();
    setScales(codes.scales(), i * stride / coding.run(), own, weightScales + lane);
    if (coding.hasMinima()) {
      setScales(codes.minima(), i * stride / coding.run(), own, weightMinima + lane);
    }
  }

  private void setScales(float[] of, int from, int own, int at) {
    for (int i = 0; i < own; i++) {
      m[at + i * L] = of[from + i];
    }
    for (int i = own; i < runs; i++) {
      m[at + i * L] = 0;
    }
  }

  private void fold(int r) {
    int from = r * steps * QUADS * L;
    int s = scales + r * runs;
    int t = totals + r * runs;
    if (Lanes.WIDE) {
      foldWide(from, s, t);
    } else if (coding.run() == Int8.BLOCK) {
      if (coding.hasMinima()) {
        CodeTiles.fold2Minima(this, from, s, t);
      } else {
        CodeTiles.fold2(this, from, s);
      }
    } else if (coding.hasMinima()) {
      CodeTiles.fold2HalvesMinima(this, from, s, t);
    } else {
      CodeTiles.fold2Halves(this, from, s);
    }
  }

  private void foldWide(int from, int s, int t) {
    if (coding.run() == Int8.BLOCK) {
      if (coding.hasMinima()) {
        CodeTiles.fold4Minima(this, from, s, t);
      } else {
        CodeTiles.fold4(this, from, s);
      }
    } else if (coding.hasMinima()) {
      CodeTiles.fold4HalvesMinima(this, from, s, t);
    } else {
      CodeTiles.fold4Halves(this, from, s);
    }
  }
}
