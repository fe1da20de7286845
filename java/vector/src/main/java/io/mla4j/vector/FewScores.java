package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

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
    gather(m, rows, keys, scores, scratch);
  }

  /**
   * The same for keys as they are stored in BF16, two numbers in a float, and vectors of 512 bits.
   *
   * @param q (rows, qStride) in the order of {@link Lanes#split}
   * @param k (keys, kStride), of which width / 2 floats count
   * @param width a multiple of two vectors
   */
  static void timesBf16(
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
        dot4x4Bf16(m, q + r * qStride, qStride, key, kStride, width, s, rows);
      }
      for (; r < rows; r++) {
        int s = scratch + (t * rows + r) * L;
        dot1x4Bf16(m, q + r * qStride, key, kStride, width, s, rows);
      }
    }
    gather(m, rows, keys, scores, scratch);
  }

  private static void gather(float[] m, int rows, int keys, int scores, int scratch) {
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

  /** 4 rows, 4 stored keys; the sums of key j begin j * sumStride vectors behind the first. */
  private static void dot4x4Bf16(
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
    for (int i = 0; i < width / 2; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + 2 * i);
      FloatVector c0 = FloatVector.fromArray(F, m, q0 + 2 * i + L);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + 2 * i);
      FloatVector c1 = FloatVector.fromArray(F, m, q1 + 2 * i + L);
      FloatVector a2 = FloatVector.fromArray(F, m, q2 + 2 * i);
      FloatVector c2 = FloatVector.fromArray(F, m, q2 + 2 * i + L);
      FloatVector a3 = FloatVector.fromArray(F, m, q3 + 2 * i);
      FloatVector c3 = FloatVector.fromArray(F, m, q3 + 2 * i + L);
      IntVector b = FloatVector.fromArray(F, m, k0 + i).reinterpretAsInts();
      FloatVector f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s00 = a0.fma(f, s00);
      s10 = a1.fma(f, s10);
      s20 = a2.fma(f, s20);
      s30 = a3.fma(f, s30);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s00 = c0.fma(f, s00);
      s10 = c1.fma(f, s10);
      s20 = c2.fma(f, s20);
      s30 = c3.fma(f, s30);
      b = FloatVector.fromArray(F, m, k1 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s01 = a0.fma(f, s01);
      s11 = a1.fma(f, s11);
      s21 = a2.fma(f, s21);
      s31 = a3.fma(f, s31);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s01 = c0.fma(f, s01);
      s11 = c1.fma(f, s11);
      s21 = c2.fma(f, s21);
      s31 = c3.fma(f, s31);
      b = FloatVector.fromArray(F, m, k2 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s02 = a0.fma(f, s02);
      s12 = a1.fma(f, s12);
      s22 = a2.fma(f, s22);
      s32 = a3.fma(f, s32);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s02 = c0.fma(f, s02);
      s12 = c1.fma(f, s12);
      s22 = c2.fma(f, s22);
      s32 = c3.fma(f, s32);
      b = FloatVector.fromArray(F, m, k3 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s03 = a0.fma(f, s03);
      s13 = a1.fma(f, s13);
      s23 = a2.fma(f, s23);
      s33 = a3.fma(f, s33);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s03 = c0.fma(f, s03);
      s13 = c1.fma(f, s13);
      s23 = c2.fma(f, s23);
      s33 = c3.fma(f, s33);
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

  /** 1 row, 4 stored keys; the sums of key j begin j * sumStride vectors behind the first. */
  private static void dot1x4Bf16(
      float[] m, int q0, int k0, int kStride, int width, int s0, int sumStride) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    for (int i = 0; i < width / 2; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + 2 * i);
      FloatVector c0 = FloatVector.fromArray(F, m, q0 + 2 * i + L);
      IntVector b = FloatVector.fromArray(F, m, k0 + i).reinterpretAsInts();
      FloatVector f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s00 = a0.fma(f, s00);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s00 = c0.fma(f, s00);
      b = FloatVector.fromArray(F, m, k1 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s01 = a0.fma(f, s01);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s01 = c0.fma(f, s01);
      b = FloatVector.fromArray(F, m, k2 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s02 = a0.fma(f, s02);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s02 = c0.fma(f, s02);
      b = FloatVector.fromArray(F, m, k3 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s03 = a0.fma(f, s03);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s03 = c0.fma(f, s03);
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
