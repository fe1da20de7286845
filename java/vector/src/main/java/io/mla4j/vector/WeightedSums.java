package io.mla4j.vector;

import static io.mla4j.vector.Lanes.L;

/**
 * Sums of weighted rows with dimensions in the lanes: an element adds its products in the order of
 * the rows, whatever the tile.
 */
final class WeightedSums {
  /** Vectors of a row that stay in registers, where it has as many. */
  private static final int VECTORS = Lanes.WIDE ? 4 : 2;

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
    int elements = stored ? 2 : 1;
    int vectors;
    for (int d = 0; d < width; d += vectors * L) {
      vectors = d + VECTORS * L <= width ? VECTORS : elements;
      int at = v + d / elements;
      for (int r = 0; r < rows; ) {
        int to = out + r * outStride + d;
        r += addTile(rows - r, vectors, p + r, at, values, factors + r, to);
      }
    }
  }

  /** Adds to so many vectors of some of the rows: to how many. */
  private int addTile(int rows, int vectors, int p, int v, int values, int factors, int out) {
    if (stored && vectors == 4) {
      if (rows >= 6) {
        Tiles.weighted6x4Bf16(this, p, v, values, factors, out);
        return 6;
      }
      if (rows >= 4) {
        Tiles.weighted4x4Bf16(this, p, v, values, factors, out);
        return 4;
      }
      Tiles.weighted1x4Bf16(this, p, v, values, factors, out);
    } else if (stored) {
      Tiles.weighted1x2Bf16(this, p, v, values, factors, out);
    } else if (vectors == 4) {
      if (rows >= 4) {
        Tiles.weighted4x4F32(this, p, v, values, factors, out);
        return 4;
      }
      Tiles.weighted1x4F32(this, p, v, values, factors, out);
    } else if (vectors == 2) {
      if (rows >= 4) {
        Tiles.weighted4x2F32(this, p, v, values, factors, out);
        return 4;
      }
      Tiles.weighted1x2F32(this, p, v, values, factors, out);
    } else {
      Tiles.weighted1x1F32(this, p, v, values, factors, out);
    }
    return 1;
  }
}
