package io.mla4j.vector;

import static io.mla4j.vector.Lanes.L;

/**
 * Sums of weighted rows with dimensions in the lanes: an element adds its products in the order of
 * the rows, whatever the tile.
 */
final class WeightedSums {
  private static final ThreadLocal<WeightedSums> OF_THREAD =
      ThreadLocal.withInitial(WeightedSums::new);

  /** The slab: weights, values, factors and sums are indices of it. */
  float[] m;

  private boolean stored;
  int pStride;
  int vStride;
  int outStride;
  private int width;

  private WeightedSums() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static WeightedSums ofThread() {
    return OF_THREAD.get();
  }

  /**
   * What the sums are of.
   *
   * @param stored whether values are as they are stored in BF16, two elements in a float, of which
   *     width / 2 count, and sums in the order of {@link Lanes#split}; width is a multiple of two
   *     vectors of 512 bits then
   * @param width elements of a value; rows of values and sums are readable up to whole vectors
   */
  WeightedSums set(float[] m, boolean stored, int vStride, int width, int outStride) {
    this.m = m;
    this.stored = stored;
    this.vStride = vStride;
    this.width = width;
    this.outStride = outStride;
    return this;
  }

  /**
   * out[r, :] = factors[r] * out[r, :] + sum over t of p[t, r] * v[t, :].
   *
   * @param p (values, pStride), of which {@code rows} count
   * @param v (values, vStride)
   * @param factors (rows)
   * @param out (rows, outStride)
   */
  void add(int p, int pStride, int rows, int v, int values, int factors, int out) {
    this.pStride = pStride;
    if (stored) {
      addBf16(p, rows, v, values, factors, out);
    } else if (Lanes.WIDE) {
      addWide(p, rows, v, values, factors, out);
    } else {
      addNarrow(p, rows, v, values, factors, out);
    }
  }

  private void addWide(int p, int rows, int v, int values, int factors, int out) {
    int d = 0;
    for (; d + 4 * L <= width; d += 4 * L) {
      int r = 0;
      for (; r + 4 <= rows; r += 4) {
        Tiles.weighted4x4F32(this, p + r, v + d, values, factors + r, out + r * outStride + d);
      }
      for (; r < rows; r++) {
        Tiles.weighted1x4F32(this, p + r, v + d, values, factors + r, out + r * outStride + d);
      }
    }
    addRest(d, p, rows, v, values, factors, out);
  }

  private void addNarrow(int p, int rows, int v, int values, int factors, int out) {
    int d = 0;
    for (; d + 2 * L <= width; d += 2 * L) {
      int r = 0;
      for (; r + 4 <= rows; r += 4) {
        Tiles.weighted4x2F32(this, p + r, v + d, values, factors + r, out + r * outStride + d);
      }
      for (; r < rows; r++) {
        Tiles.weighted1x2F32(this, p + r, v + d, values, factors + r, out + r * outStride + d);
      }
    }
    addRest(d, p, rows, v, values, factors, out);
  }

  /** Vectors from dimension {@code first} on. */
  private void addRest(int first, int p, int rows, int v, int values, int factors, int out) {
    for (int d = first; d < width; d += L) {
      for (int r = 0; r < rows; r++) {
        Tiles.weighted1x1F32(this, p + r, v + d, values, factors + r, out + r * outStride + d);
      }
    }
  }

  private void addBf16(int p, int rows, int v, int values, int factors, int out) {
    int d = 0;
    for (; d + 4 * L <= width; d += 4 * L) {
      int at = v + d / 2;
      int r = 0;
      for (; r + 6 <= rows; r += 6) {
        Tiles.weighted6x4Bf16(this, p + r, at, values, factors + r, out + r * outStride + d);
      }
      for (; r + 4 <= rows; r += 4) {
        Tiles.weighted4x4Bf16(this, p + r, at, values, factors + r, out + r * outStride + d);
      }
      for (; r < rows; r++) {
        Tiles.weighted1x4Bf16(this, p + r, at, values, factors + r, out + r * outStride + d);
      }
    }
    for (; d < width; d += 2 * L) {
      for (int r = 0; r < rows; r++) {
        int o = out + r * outStride + d;
        Tiles.weighted1x2Bf16(this, p + r, v + d / 2, values, factors + r, o);
      }
    }
  }
}
