package io.mla4j.vector;

import static io.mla4j.vector.Lanes.L;

/**
 * Dot products of queries and keys with query rows in the lanes: each adds its products in rising
 * order.
 */
final class RowScores {
  /** A whole number of tiles of keys: there must be readable rows for as many. */
  static final int KEY_MULTIPLE = 48;

  private RowScores() {}

  /**
   * scores[t, lane] = sum over d of q[d, lane] * k[t, d] for t below {@code keys}.
   *
   * @param m the slab: q, k and scores are indices of it
   * @param vectors 1 or 2: how many vectors of rows
   * @param q (width, vectors * L)
   * @param k (keys, kStride), of which width elements count
   * @param width even
   * @param scores (keys, vectors * L)
   */
  static void times(
      float[] m, int q, int vectors, int k, int kStride, int keys, int width, int scores) {
    int tile = Lanes.WIDE ? (vectors == 2 ? 12 : 16) : 8 / vectors;
    for (int t = 0; t < keys; t += tile) {
      int key = k + t * kStride;
      int to = scores + t * vectors * L;
      if (vectors == 2) {
        if (Lanes.WIDE) {
          Tiles.rowsInLanes12x2F32(m, q, key, kStride, width, to);
        } else {
          Tiles.rowsInLanes4x2F32(m, q, key, kStride, width, to);
        }
      } else {
        if (Lanes.WIDE) {
          Tiles.rowsInLanes16x1F32(m, q, key, kStride, width, to);
        } else {
          Tiles.rowsInLanes8x1F32(m, q, key, kStride, width, to);
        }
      }
    }
  }

  /**
   * The same for keys as they are stored in BF16, two elements in a float, and vectors of 512 bits.
   *
   * @param k (keys, kStride), of which width / 2 floats count
   */
  static void timesBf16(
      float[] m, int q, int vectors, int k, int kStride, int keys, int width, int scores) {
    int tile = vectors == 2 ? 12 : 16;
    for (int t = 0; t < keys; t += tile) {
      int key = k + t * kStride;
      int to = scores + t * vectors * L;
      if (vectors == 2) {
        Tiles.rowsInLanes12x2Bf16(m, q, key, kStride, width, to);
      } else {
        Tiles.rowsInLanes16x1Bf16(m, q, key, kStride, width, to);
      }
    }
  }
}
