package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import jdk.incubator.vector.FloatVector;

/**
 * Dot products of a few queries and keys with the numbers of a key in the lanes, for heads that
 * would leave most lanes of {@link Scores} empty. A score is the same sum whatever tile computes
 * it: each lane in rising order, then the lanes as a tree.
 */
final class FewScores {
  /** The most query rows. */
  static final int MAX_ROWS = L / 2;

  /** Keys are computed in multiples of this; there must be readable rows for as many. */
  private static final int TILE_KEYS = 4;

  private static final int TILE_ROWS = Lanes.WIDE ? 4 : 2;

  private FewScores() {}

  /** Floats that {@link #times} needs for so many keys. */
  static int scratch(int keys) {
    return keys * MAX_ROWS * L;
  }

  /**
   * scores[t * L + r] = sum over d of q[r, d] * k[t, d] for t below {@code keys} and r below {@code
   * rows}.
   *
   * @param m the slab: q, k, scores and scratch are indices of it
   * @param q (rows, qStride)
   * @param k (keys, kStride)
   * @param width numbers of a query or key, with zeros up to whole vectors
   */
  static void times(
      float[] m,
      int q,
      int qStride,
      int rows,
      int k,
      int kStride,
      int keys,
      int width,
      int scores,
      int scratch) {
    for (int t = 0; t < keys; t += TILE_KEYS) {
      int key = k + t * kStride;
      int r = 0;
      for (; r + TILE_ROWS <= rows; r += TILE_ROWS) {
        int s = scratch + (t * rows + r) * L;
        if (Lanes.WIDE) {
          dot4x4(m, q + r * qStride, qStride, key, kStride, width, s, rows);
        } else {
          dot2x4(m, q + r * qStride, qStride, key, kStride, width, s, rows);
        }
      }
      for (; r < rows; r++) {
        int s = scratch + (t * rows + r) * L;
        dot1x4(m, q + r * qStride, key, kStride, width, s, rows);
      }
    }
    Lanes.sumLanes(m, scratch, Lanes.roundUp(keys * rows));
    for (int t = 0; t < keys; t++) {
      for (int r = 0; r < rows; r++) {
        m[scores + t * L + r] = m[scratch + t * rows + r];
      }
    }
  }

  /** 4 rows, 4 keys; the sums of key j begin j * sumStride vectors behind the first. */
  private static void dot4x4(
      float[] m, int q0, int qStride, int k0, int kStride, int width, int s0, int sumStride) {
    int q1 = q0 + qStride;
    int q2 = q1 + qStride;
    int q3 = q2 + qStride;
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    FloatVector s20 = zero;
    FloatVector s21 = zero;
    FloatVector s22 = zero;
    FloatVector s23 = zero;
    FloatVector s30 = zero;
    FloatVector s31 = zero;
    FloatVector s32 = zero;
    FloatVector s33 = zero;
    for (int i = 0; i < width; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + i);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + i);
      FloatVector a2 = FloatVector.fromArray(F, m, q2 + i);
      FloatVector a3 = FloatVector.fromArray(F, m, q3 + i);
      FloatVector b = FloatVector.fromArray(F, m, k0 + i);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      s20 = a2.fma(b, s20);
      s30 = a3.fma(b, s30);
      b = FloatVector.fromArray(F, m, k1 + i);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      s21 = a2.fma(b, s21);
      s31 = a3.fma(b, s31);
      b = FloatVector.fromArray(F, m, k2 + i);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      s22 = a2.fma(b, s22);
      s32 = a3.fma(b, s32);
      b = FloatVector.fromArray(F, m, k3 + i);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
      s23 = a2.fma(b, s23);
      s33 = a3.fma(b, s33);
    }
    int s1 = s0 + sumStride * L;
    int s2 = s1 + sumStride * L;
    int s3 = s2 + sumStride * L;
    s00.intoArray(m, s0);
    s10.intoArray(m, s0 + L);
    s20.intoArray(m, s0 + 2 * L);
    s30.intoArray(m, s0 + 3 * L);
    s01.intoArray(m, s1);
    s11.intoArray(m, s1 + L);
    s21.intoArray(m, s1 + 2 * L);
    s31.intoArray(m, s1 + 3 * L);
    s02.intoArray(m, s2);
    s12.intoArray(m, s2 + L);
    s22.intoArray(m, s2 + 2 * L);
    s32.intoArray(m, s2 + 3 * L);
    s03.intoArray(m, s3);
    s13.intoArray(m, s3 + L);
    s23.intoArray(m, s3 + 2 * L);
    s33.intoArray(m, s3 + 3 * L);
  }

  /** 2 rows, 4 keys; the sums of key j begin j * sumStride vectors behind the first. */
  private static void dot2x4(
      float[] m, int q0, int qStride, int k0, int kStride, int width, int s0, int sumStride) {
    int q1 = q0 + qStride;
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    for (int i = 0; i < width; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + i);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + i);
      FloatVector b = FloatVector.fromArray(F, m, k0 + i);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      b = FloatVector.fromArray(F, m, k1 + i);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      b = FloatVector.fromArray(F, m, k2 + i);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      b = FloatVector.fromArray(F, m, k3 + i);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
    }
    int s1 = s0 + sumStride * L;
    int s2 = s1 + sumStride * L;
    int s3 = s2 + sumStride * L;
    s00.intoArray(m, s0);
    s10.intoArray(m, s0 + L);
    s01.intoArray(m, s1);
    s11.intoArray(m, s1 + L);
    s02.intoArray(m, s2);
    s12.intoArray(m, s2 + L);
    s03.intoArray(m, s3);
    s13.intoArray(m, s3 + L);
  }

  /** 1 row, 4 keys; the sums of key j begin j * sumStride vectors behind the first. */
  private static void dot1x4(
      float[] m, int q0, int k0, int kStride, int width, int s0, int sumStride) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    for (int i = 0; i < width; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + i);
      FloatVector b = FloatVector.fromArray(F, m, k0 + i);
      s00 = a0.fma(b, s00);
      b = FloatVector.fromArray(F, m, k1 + i);
      s01 = a0.fma(b, s01);
      b = FloatVector.fromArray(F, m, k2 + i);
      s02 = a0.fma(b, s02);
      b = FloatVector.fromArray(F, m, k3 + i);
      s03 = a0.fma(b, s03);
    }
    int s1 = s0 + sumStride * L;
    int s2 = s1 + sumStride * L;
    int s3 = s2 + sumStride * L;
    s00.intoArray(m, s0);
    s01.intoArray(m, s1);
    s02.intoArray(m, s2);
    s03.intoArray(m, s3);
  }
}
