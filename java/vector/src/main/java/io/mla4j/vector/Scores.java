package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Dot products of queries and keys with query rows in the lanes: each adds its products in rising
 * order.
 */
final class Scores {
  /** A whole number of tiles of keys: there must be readable rows for as many. */
  static final int KEY_MULTIPLE = 48;

  private Scores() {}

  /**
   * scores[t, lane] = sum over d of q[d, lane] * k[t, d] for t below {@code keys}.
   *
   * @param m the slab: q, k and scores are indices of it
   * @param vectors 1 or 2: how many vectors of rows
   * @param q (width, vectors * L)
   * @param k (keys, kStride), of which width numbers count
   * @param width even
   * @param scores (keys, vectors * L)
   */
  static void times(
      float[] m, int q, int vectors, int k, int kStride, int keys, int width, int scores) {
    int tile = Lanes.WIDE ? (vectors == 2 ? 12 : 16) : 8 / vectors;
    for (int t = 0; t < keys; t += tile) {
      int row = k + t * kStride;
      int s = scores + t * vectors * L;
      if (vectors == 2) {
        if (Lanes.WIDE) {
          score12x2(m, q, row, kStride, width, s);
        } else {
          score4x2(m, q, row, kStride, width, s);
        }
      } else {
        if (Lanes.WIDE) {
          score16x1(m, q, row, kStride, width, s);
        } else {
          score8x1(m, q, row, kStride, width, s);
        }
      }
    }
  }

  /**
   * The same for keys as they are stored in BF16, two numbers in a float, and vectors of 512 bits.
   *
   * @param k (keys, kStride), of which width / 2 floats count
   */
  static void timesBf16(
      float[] m, int q, int vectors, int k, int kStride, int keys, int width, int scores) {
    int tile = vectors == 2 ? 12 : 16;
    for (int t = 0; t < keys; t += tile) {
      int row = k + t * kStride;
      int s = scores + t * vectors * L;
      if (vectors == 2) {
        score12x2Bf16(m, q, row, kStride, width, s);
      } else {
        score16x1Bf16(m, q, row, kStride, width, s);
      }
    }
  }

  /** 12 keys, 2 vectors of rows. */
  private static void score12x2(float[] m, int q, int k0, int kStride, int width, int s) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    int k4 = k3 + kStride;
    int k5 = k4 + kStride;
    int k6 = k5 + kStride;
    int k7 = k6 + kStride;
    int k8 = k7 + kStride;
    int k9 = k8 + kStride;
    int k10 = k9 + kStride;
    int k11 = k10 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s0x0 = zero;
    FloatVector s0x1 = zero;
    FloatVector s1x0 = zero;
    FloatVector s1x1 = zero;
    FloatVector s2x0 = zero;
    FloatVector s2x1 = zero;
    FloatVector s3x0 = zero;
    FloatVector s3x1 = zero;
    FloatVector s4x0 = zero;
    FloatVector s4x1 = zero;
    FloatVector s5x0 = zero;
    FloatVector s5x1 = zero;
    FloatVector s6x0 = zero;
    FloatVector s6x1 = zero;
    FloatVector s7x0 = zero;
    FloatVector s7x1 = zero;
    FloatVector s8x0 = zero;
    FloatVector s8x1 = zero;
    FloatVector s9x0 = zero;
    FloatVector s9x1 = zero;
    FloatVector s10x0 = zero;
    FloatVector s10x1 = zero;
    FloatVector s11x0 = zero;
    FloatVector s11x1 = zero;
    for (int d = 0; d < width; d++) {
      int at = q + d * 2 * L;
      FloatVector a0 = FloatVector.fromArray(F, m, at);
      FloatVector a1 = FloatVector.fromArray(F, m, at + L);
      FloatVector b = FloatVector.broadcast(F, m[k0 + d]);
      s0x0 = a0.fma(b, s0x0);
      s0x1 = a1.fma(b, s0x1);
      b = FloatVector.broadcast(F, m[k1 + d]);
      s1x0 = a0.fma(b, s1x0);
      s1x1 = a1.fma(b, s1x1);
      b = FloatVector.broadcast(F, m[k2 + d]);
      s2x0 = a0.fma(b, s2x0);
      s2x1 = a1.fma(b, s2x1);
      b = FloatVector.broadcast(F, m[k3 + d]);
      s3x0 = a0.fma(b, s3x0);
      s3x1 = a1.fma(b, s3x1);
      b = FloatVector.broadcast(F, m[k4 + d]);
      s4x0 = a0.fma(b, s4x0);
      s4x1 = a1.fma(b, s4x1);
      b = FloatVector.broadcast(F, m[k5 + d]);
      s5x0 = a0.fma(b, s5x0);
      s5x1 = a1.fma(b, s5x1);
      b = FloatVector.broadcast(F, m[k6 + d]);
      s6x0 = a0.fma(b, s6x0);
      s6x1 = a1.fma(b, s6x1);
      b = FloatVector.broadcast(F, m[k7 + d]);
      s7x0 = a0.fma(b, s7x0);
      s7x1 = a1.fma(b, s7x1);
      b = FloatVector.broadcast(F, m[k8 + d]);
      s8x0 = a0.fma(b, s8x0);
      s8x1 = a1.fma(b, s8x1);
      b = FloatVector.broadcast(F, m[k9 + d]);
      s9x0 = a0.fma(b, s9x0);
      s9x1 = a1.fma(b, s9x1);
      b = FloatVector.broadcast(F, m[k10 + d]);
      s10x0 = a0.fma(b, s10x0);
      s10x1 = a1.fma(b, s10x1);
      b = FloatVector.broadcast(F, m[k11 + d]);
      s11x0 = a0.fma(b, s11x0);
      s11x1 = a1.fma(b, s11x1);
    }
    s0x0.intoArray(m, s);
    s0x1.intoArray(m, s + L);
    s1x0.intoArray(m, s + 2 * L);
    s1x1.intoArray(m, s + 3 * L);
    s2x0.intoArray(m, s + 4 * L);
    s2x1.intoArray(m, s + 5 * L);
    s3x0.intoArray(m, s + 6 * L);
    s3x1.intoArray(m, s + 7 * L);
    s4x0.intoArray(m, s + 8 * L);
    s4x1.intoArray(m, s + 9 * L);
    s5x0.intoArray(m, s + 10 * L);
    s5x1.intoArray(m, s + 11 * L);
    s6x0.intoArray(m, s + 12 * L);
    s6x1.intoArray(m, s + 13 * L);
    s7x0.intoArray(m, s + 14 * L);
    s7x1.intoArray(m, s + 15 * L);
    s8x0.intoArray(m, s + 16 * L);
    s8x1.intoArray(m, s + 17 * L);
    s9x0.intoArray(m, s + 18 * L);
    s9x1.intoArray(m, s + 19 * L);
    s10x0.intoArray(m, s + 20 * L);
    s10x1.intoArray(m, s + 21 * L);
    s11x0.intoArray(m, s + 22 * L);
    s11x1.intoArray(m, s + 23 * L);
  }

  /** 4 keys, 2 vectors of rows. */
  private static void score4x2(float[] m, int q, int k0, int kStride, int width, int s) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s0x0 = zero;
    FloatVector s0x1 = zero;
    FloatVector s1x0 = zero;
    FloatVector s1x1 = zero;
    FloatVector s2x0 = zero;
    FloatVector s2x1 = zero;
    FloatVector s3x0 = zero;
    FloatVector s3x1 = zero;
    for (int d = 0; d < width; d += 1) {
      int at = q + d * 2 * L;
      FloatVector a0 = FloatVector.fromArray(F, m, at);
      FloatVector a1 = FloatVector.fromArray(F, m, at + L);
      FloatVector b = FloatVector.broadcast(F, m[k0 + d]);
      s0x0 = a0.fma(b, s0x0);
      s0x1 = a1.fma(b, s0x1);
      b = FloatVector.broadcast(F, m[k1 + d]);
      s1x0 = a0.fma(b, s1x0);
      s1x1 = a1.fma(b, s1x1);
      b = FloatVector.broadcast(F, m[k2 + d]);
      s2x0 = a0.fma(b, s2x0);
      s2x1 = a1.fma(b, s2x1);
      b = FloatVector.broadcast(F, m[k3 + d]);
      s3x0 = a0.fma(b, s3x0);
      s3x1 = a1.fma(b, s3x1);
    }
    s0x0.intoArray(m, s);
    s0x1.intoArray(m, s + L);
    s1x0.intoArray(m, s + 2 * L);
    s1x1.intoArray(m, s + 3 * L);
    s2x0.intoArray(m, s + 4 * L);
    s2x1.intoArray(m, s + 5 * L);
    s3x0.intoArray(m, s + 6 * L);
    s3x1.intoArray(m, s + 7 * L);
  }

  /** 16 keys, 1 vector of rows, two numbers of a key at a time. */
  private static void score16x1(float[] m, int q, int k0, int kStride, int width, int s) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    int k4 = k3 + kStride;
    int k5 = k4 + kStride;
    int k6 = k5 + kStride;
    int k7 = k6 + kStride;
    int k8 = k7 + kStride;
    int k9 = k8 + kStride;
    int k10 = k9 + kStride;
    int k11 = k10 + kStride;
    int k12 = k11 + kStride;
    int k13 = k12 + kStride;
    int k14 = k13 + kStride;
    int k15 = k14 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s0x0 = zero;
    FloatVector s1x0 = zero;
    FloatVector s2x0 = zero;
    FloatVector s3x0 = zero;
    FloatVector s4x0 = zero;
    FloatVector s5x0 = zero;
    FloatVector s6x0 = zero;
    FloatVector s7x0 = zero;
    FloatVector s8x0 = zero;
    FloatVector s9x0 = zero;
    FloatVector s10x0 = zero;
    FloatVector s11x0 = zero;
    FloatVector s12x0 = zero;
    FloatVector s13x0 = zero;
    FloatVector s14x0 = zero;
    FloatVector s15x0 = zero;
    for (int d = 0; d < width; d += 2) {
      int at = q + d * L;
      FloatVector a0 = FloatVector.fromArray(F, m, at);
      FloatVector a1 = FloatVector.fromArray(F, m, at + L);
      FloatVector b = FloatVector.broadcast(F, m[k0 + d]);
      s0x0 = a0.fma(b, s0x0);
      b = FloatVector.broadcast(F, m[k0 + d + 1]);
      s0x0 = a1.fma(b, s0x0);
      b = FloatVector.broadcast(F, m[k1 + d]);
      s1x0 = a0.fma(b, s1x0);
      b = FloatVector.broadcast(F, m[k1 + d + 1]);
      s1x0 = a1.fma(b, s1x0);
      b = FloatVector.broadcast(F, m[k2 + d]);
      s2x0 = a0.fma(b, s2x0);
      b = FloatVector.broadcast(F, m[k2 + d + 1]);
      s2x0 = a1.fma(b, s2x0);
      b = FloatVector.broadcast(F, m[k3 + d]);
      s3x0 = a0.fma(b, s3x0);
      b = FloatVector.broadcast(F, m[k3 + d + 1]);
      s3x0 = a1.fma(b, s3x0);
      b = FloatVector.broadcast(F, m[k4 + d]);
      s4x0 = a0.fma(b, s4x0);
      b = FloatVector.broadcast(F, m[k4 + d + 1]);
      s4x0 = a1.fma(b, s4x0);
      b = FloatVector.broadcast(F, m[k5 + d]);
      s5x0 = a0.fma(b, s5x0);
      b = FloatVector.broadcast(F, m[k5 + d + 1]);
      s5x0 = a1.fma(b, s5x0);
      b = FloatVector.broadcast(F, m[k6 + d]);
      s6x0 = a0.fma(b, s6x0);
      b = FloatVector.broadcast(F, m[k6 + d + 1]);
      s6x0 = a1.fma(b, s6x0);
      b = FloatVector.broadcast(F, m[k7 + d]);
      s7x0 = a0.fma(b, s7x0);
      b = FloatVector.broadcast(F, m[k7 + d + 1]);
      s7x0 = a1.fma(b, s7x0);
      b = FloatVector.broadcast(F, m[k8 + d]);
      s8x0 = a0.fma(b, s8x0);
      b = FloatVector.broadcast(F, m[k8 + d + 1]);
      s8x0 = a1.fma(b, s8x0);
      b = FloatVector.broadcast(F, m[k9 + d]);
      s9x0 = a0.fma(b, s9x0);
      b = FloatVector.broadcast(F, m[k9 + d + 1]);
      s9x0 = a1.fma(b, s9x0);
      b = FloatVector.broadcast(F, m[k10 + d]);
      s10x0 = a0.fma(b, s10x0);
      b = FloatVector.broadcast(F, m[k10 + d + 1]);
      s10x0 = a1.fma(b, s10x0);
      b = FloatVector.broadcast(F, m[k11 + d]);
      s11x0 = a0.fma(b, s11x0);
      b = FloatVector.broadcast(F, m[k11 + d + 1]);
      s11x0 = a1.fma(b, s11x0);
      b = FloatVector.broadcast(F, m[k12 + d]);
      s12x0 = a0.fma(b, s12x0);
      b = FloatVector.broadcast(F, m[k12 + d + 1]);
      s12x0 = a1.fma(b, s12x0);
      b = FloatVector.broadcast(F, m[k13 + d]);
      s13x0 = a0.fma(b, s13x0);
      b = FloatVector.broadcast(F, m[k13 + d + 1]);
      s13x0 = a1.fma(b, s13x0);
      b = FloatVector.broadcast(F, m[k14 + d]);
      s14x0 = a0.fma(b, s14x0);
      b = FloatVector.broadcast(F, m[k14 + d + 1]);
      s14x0 = a1.fma(b, s14x0);
      b = FloatVector.broadcast(F, m[k15 + d]);
      s15x0 = a0.fma(b, s15x0);
      b = FloatVector.broadcast(F, m[k15 + d + 1]);
      s15x0 = a1.fma(b, s15x0);
    }
    s0x0.intoArray(m, s);
    s1x0.intoArray(m, s + L);
    s2x0.intoArray(m, s + 2 * L);
    s3x0.intoArray(m, s + 3 * L);
    s4x0.intoArray(m, s + 4 * L);
    s5x0.intoArray(m, s + 5 * L);
    s6x0.intoArray(m, s + 6 * L);
    s7x0.intoArray(m, s + 7 * L);
    s8x0.intoArray(m, s + 8 * L);
    s9x0.intoArray(m, s + 9 * L);
    s10x0.intoArray(m, s + 10 * L);
    s11x0.intoArray(m, s + 11 * L);
    s12x0.intoArray(m, s + 12 * L);
    s13x0.intoArray(m, s + 13 * L);
    s14x0.intoArray(m, s + 14 * L);
    s15x0.intoArray(m, s + 15 * L);
  }

  /** 8 keys, 1 vector of rows, two numbers of a key at a time. */
  private static void score8x1(float[] m, int q, int k0, int kStride, int width, int s) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    int k4 = k3 + kStride;
    int k5 = k4 + kStride;
    int k6 = k5 + kStride;
    int k7 = k6 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s0x0 = zero;
    FloatVector s1x0 = zero;
    FloatVector s2x0 = zero;
    FloatVector s3x0 = zero;
    FloatVector s4x0 = zero;
    FloatVector s5x0 = zero;
    FloatVector s6x0 = zero;
    FloatVector s7x0 = zero;
    for (int d = 0; d < width; d += 2) {
      int at = q + d * L;
      FloatVector a0 = FloatVector.fromArray(F, m, at);
      FloatVector a1 = FloatVector.fromArray(F, m, at + L);
      FloatVector b = FloatVector.broadcast(F, m[k0 + d]);
      s0x0 = a0.fma(b, s0x0);
      b = FloatVector.broadcast(F, m[k0 + d + 1]);
      s0x0 = a1.fma(b, s0x0);
      b = FloatVector.broadcast(F, m[k1 + d]);
      s1x0 = a0.fma(b, s1x0);
      b = FloatVector.broadcast(F, m[k1 + d + 1]);
      s1x0 = a1.fma(b, s1x0);
      b = FloatVector.broadcast(F, m[k2 + d]);
      s2x0 = a0.fma(b, s2x0);
      b = FloatVector.broadcast(F, m[k2 + d + 1]);
      s2x0 = a1.fma(b, s2x0);
      b = FloatVector.broadcast(F, m[k3 + d]);
      s3x0 = a0.fma(b, s3x0);
      b = FloatVector.broadcast(F, m[k3 + d + 1]);
      s3x0 = a1.fma(b, s3x0);
      b = FloatVector.broadcast(F, m[k4 + d]);
      s4x0 = a0.fma(b, s4x0);
      b = FloatVector.broadcast(F, m[k4 + d + 1]);
      s4x0 = a1.fma(b, s4x0);
      b = FloatVector.broadcast(F, m[k5 + d]);
      s5x0 = a0.fma(b, s5x0);
      b = FloatVector.broadcast(F, m[k5 + d + 1]);
      s5x0 = a1.fma(b, s5x0);
      b = FloatVector.broadcast(F, m[k6 + d]);
      s6x0 = a0.fma(b, s6x0);
      b = FloatVector.broadcast(F, m[k6 + d + 1]);
      s6x0 = a1.fma(b, s6x0);
      b = FloatVector.broadcast(F, m[k7 + d]);
      s7x0 = a0.fma(b, s7x0);
      b = FloatVector.broadcast(F, m[k7 + d + 1]);
      s7x0 = a1.fma(b, s7x0);
    }
    s0x0.intoArray(m, s);
    s1x0.intoArray(m, s + L);
    s2x0.intoArray(m, s + 2 * L);
    s3x0.intoArray(m, s + 3 * L);
    s4x0.intoArray(m, s + 4 * L);
    s5x0.intoArray(m, s + 5 * L);
    s6x0.intoArray(m, s + 6 * L);
    s7x0.intoArray(m, s + 7 * L);
  }

  /** 12 stored keys, 2 vectors of rows, two numbers of a key at a time. */
  private static void score12x2Bf16(float[] m, int q, int k0, int kStride, int width, int s) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    int k4 = k3 + kStride;
    int k5 = k4 + kStride;
    int k6 = k5 + kStride;
    int k7 = k6 + kStride;
    int k8 = k7 + kStride;
    int k9 = k8 + kStride;
    int k10 = k9 + kStride;
    int k11 = k10 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s0x0 = zero;
    FloatVector s0x1 = zero;
    FloatVector s1x0 = zero;
    FloatVector s1x1 = zero;
    FloatVector s2x0 = zero;
    FloatVector s2x1 = zero;
    FloatVector s3x0 = zero;
    FloatVector s3x1 = zero;
    FloatVector s4x0 = zero;
    FloatVector s4x1 = zero;
    FloatVector s5x0 = zero;
    FloatVector s5x1 = zero;
    FloatVector s6x0 = zero;
    FloatVector s6x1 = zero;
    FloatVector s7x0 = zero;
    FloatVector s7x1 = zero;
    FloatVector s8x0 = zero;
    FloatVector s8x1 = zero;
    FloatVector s9x0 = zero;
    FloatVector s9x1 = zero;
    FloatVector s10x0 = zero;
    FloatVector s10x1 = zero;
    FloatVector s11x0 = zero;
    FloatVector s11x1 = zero;
    for (int pair = 0; pair < width / 2; pair++) {
      int at = q + pair * 4 * L;
      FloatVector a0 = FloatVector.fromArray(F, m, at);
      FloatVector a1 = FloatVector.fromArray(F, m, at + L);
      FloatVector c0 = FloatVector.fromArray(F, m, at + 2 * L);
      FloatVector c1 = FloatVector.fromArray(F, m, at + 3 * L);
      IntVector b = FloatVector.broadcast(F, m[k0 + pair]).reinterpretAsInts();
      FloatVector f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s0x0 = a0.fma(f, s0x0);
      s0x1 = a1.fma(f, s0x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s0x0 = c0.fma(f, s0x0);
      s0x1 = c1.fma(f, s0x1);
      b = FloatVector.broadcast(F, m[k1 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s1x0 = a0.fma(f, s1x0);
      s1x1 = a1.fma(f, s1x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s1x0 = c0.fma(f, s1x0);
      s1x1 = c1.fma(f, s1x1);
      b = FloatVector.broadcast(F, m[k2 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s2x0 = a0.fma(f, s2x0);
      s2x1 = a1.fma(f, s2x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s2x0 = c0.fma(f, s2x0);
      s2x1 = c1.fma(f, s2x1);
      b = FloatVector.broadcast(F, m[k3 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s3x0 = a0.fma(f, s3x0);
      s3x1 = a1.fma(f, s3x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s3x0 = c0.fma(f, s3x0);
      s3x1 = c1.fma(f, s3x1);
      b = FloatVector.broadcast(F, m[k4 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s4x0 = a0.fma(f, s4x0);
      s4x1 = a1.fma(f, s4x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s4x0 = c0.fma(f, s4x0);
      s4x1 = c1.fma(f, s4x1);
      b = FloatVector.broadcast(F, m[k5 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s5x0 = a0.fma(f, s5x0);
      s5x1 = a1.fma(f, s5x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s5x0 = c0.fma(f, s5x0);
      s5x1 = c1.fma(f, s5x1);
      b = FloatVector.broadcast(F, m[k6 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s6x0 = a0.fma(f, s6x0);
      s6x1 = a1.fma(f, s6x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s6x0 = c0.fma(f, s6x0);
      s6x1 = c1.fma(f, s6x1);
      b = FloatVector.broadcast(F, m[k7 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s7x0 = a0.fma(f, s7x0);
      s7x1 = a1.fma(f, s7x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s7x0 = c0.fma(f, s7x0);
      s7x1 = c1.fma(f, s7x1);
      b = FloatVector.broadcast(F, m[k8 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s8x0 = a0.fma(f, s8x0);
      s8x1 = a1.fma(f, s8x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s8x0 = c0.fma(f, s8x0);
      s8x1 = c1.fma(f, s8x1);
      b = FloatVector.broadcast(F, m[k9 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s9x0 = a0.fma(f, s9x0);
      s9x1 = a1.fma(f, s9x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s9x0 = c0.fma(f, s9x0);
      s9x1 = c1.fma(f, s9x1);
      b = FloatVector.broadcast(F, m[k10 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s10x0 = a0.fma(f, s10x0);
      s10x1 = a1.fma(f, s10x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s10x0 = c0.fma(f, s10x0);
      s10x1 = c1.fma(f, s10x1);
      b = FloatVector.broadcast(F, m[k11 + pair]).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s11x0 = a0.fma(f, s11x0);
      s11x1 = a1.fma(f, s11x1);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s11x0 = c0.fma(f, s11x0);
      s11x1 = c1.fma(f, s11x1);
    }
    s0x0.intoArray(m, s);
    s0x1.intoArray(m, s + L);
    s1x0.intoArray(m, s + 2 * L);
    s1x1.intoArray(m, s + 3 * L);
    s2x0.intoArray(m, s + 4 * L);
    s2x1.intoArray(m, s + 5 * L);
    s3x0.intoArray(m, s + 6 * L);
    s3x1.intoArray(m, s + 7 * L);
    s4x0.intoArray(m, s + 8 * L);
    s4x1.intoArray(m, s + 9 * L);
    s5x0.intoArray(m, s + 10 * L);
    s5x1.intoArray(m, s + 11 * L);
    s6x0.intoArray(m, s + 12 * L);
    s6x1.intoArray(m, s + 13 * L);
    s7x0.intoArray(m, s + 14 * L);
    s7x1.intoArray(m, s + 15 * L);
    s8x0.intoArray(m, s + 16 * L);
    s8x1.intoArray(m, s + 17 * L);
    s9x0.intoArray(m, s + 18 * L);
    s9x1.intoArray(m, s + 19 * L);
    s10x0.intoArray(m, s + 20 * L);
    s10x1.intoArray(m, s + 21 * L);
    s11x0.intoArray(m, s + 22 * L);
    s11x1.intoArray(m, s + 23 * L);
  }

  /** 16 stored keys, 1 vector of rows, two numbers of a key at a time. */
  private static void score16x1Bf16(float[] m, int q, int k0, int kStride, int width, int s) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    int k4 = k3 + kStride;
    int k5 = k4 + kStride;
    int k6 = k5 + kStride;
    int k7 = k6 + kStride;
    int k8 = k7 + kStride;
    int k9 = k8 + kStride;
    int k10 = k9 + kStride;
    int k11 = k10 + kStride;
    int k12 = k11 + kStride;
    int k13 = k12 + kStride;
    int k14 = k13 + kStride;
    int k15 = k14 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s0x0 = zero;
    FloatVector s1x0 = zero;
    FloatVector s2x0 = zero;
    FloatVector s3x0 = zero;
    FloatVector s4x0 = zero;
    FloatVector s5x0 = zero;
    FloatVector s6x0 = zero;
    FloatVector s7x0 = zero;
    FloatVector s8x0 = zero;
    FloatVector s9x0 = zero;
    FloatVector s10x0 = zero;
    FloatVector s11x0 = zero;
    FloatVector s12x0 = zero;
    FloatVector s13x0 = zero;
    FloatVector s14x0 = zero;
    FloatVector s15x0 = zero;
    for (int pair = 0; pair < width / 2; pair++) {
      int at = q + pair * 2 * L;
      FloatVector a = FloatVector.fromArray(F, m, at);
      FloatVector c = FloatVector.fromArray(F, m, at + L);
      IntVector b = FloatVector.broadcast(F, m[k0 + pair]).reinterpretAsInts();
      s0x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s0x0);
      s0x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s0x0);
      b = FloatVector.broadcast(F, m[k1 + pair]).reinterpretAsInts();
      s1x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s1x0);
      s1x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s1x0);
      b = FloatVector.broadcast(F, m[k2 + pair]).reinterpretAsInts();
      s2x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s2x0);
      s2x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s2x0);
      b = FloatVector.broadcast(F, m[k3 + pair]).reinterpretAsInts();
      s3x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s3x0);
      s3x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s3x0);
      b = FloatVector.broadcast(F, m[k4 + pair]).reinterpretAsInts();
      s4x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s4x0);
      s4x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s4x0);
      b = FloatVector.broadcast(F, m[k5 + pair]).reinterpretAsInts();
      s5x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s5x0);
      s5x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s5x0);
      b = FloatVector.broadcast(F, m[k6 + pair]).reinterpretAsInts();
      s6x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s6x0);
      s6x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s6x0);
      b = FloatVector.broadcast(F, m[k7 + pair]).reinterpretAsInts();
      s7x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s7x0);
      s7x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s7x0);
      b = FloatVector.broadcast(F, m[k8 + pair]).reinterpretAsInts();
      s8x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s8x0);
      s8x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s8x0);
      b = FloatVector.broadcast(F, m[k9 + pair]).reinterpretAsInts();
      s9x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s9x0);
      s9x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s9x0);
      b = FloatVector.broadcast(F, m[k10 + pair]).reinterpretAsInts();
      s10x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s10x0);
      s10x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s10x0);
      b = FloatVector.broadcast(F, m[k11 + pair]).reinterpretAsInts();
      s11x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s11x0);
      s11x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s11x0);
      b = FloatVector.broadcast(F, m[k12 + pair]).reinterpretAsInts();
      s12x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s12x0);
      s12x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s12x0);
      b = FloatVector.broadcast(F, m[k13 + pair]).reinterpretAsInts();
      s13x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s13x0);
      s13x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s13x0);
      b = FloatVector.broadcast(F, m[k14 + pair]).reinterpretAsInts();
      s14x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s14x0);
      s14x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s14x0);
      b = FloatVector.broadcast(F, m[k15 + pair]).reinterpretAsInts();
      s15x0 = a.fma(b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), s15x0);
      s15x0 = c.fma(b.and(0xffff0000).reinterpretAsFloats(), s15x0);
    }
    s0x0.intoArray(m, s);
    s1x0.intoArray(m, s + L);
    s2x0.intoArray(m, s + 2 * L);
    s3x0.intoArray(m, s + 3 * L);
    s4x0.intoArray(m, s + 4 * L);
    s5x0.intoArray(m, s + 5 * L);
    s6x0.intoArray(m, s + 6 * L);
    s7x0.intoArray(m, s + 7 * L);
    s8x0.intoArray(m, s + 8 * L);
    s9x0.intoArray(m, s + 9 * L);
    s10x0.intoArray(m, s + 10 * L);
    s11x0.intoArray(m, s + 11 * L);
    s12x0.intoArray(m, s + 12 * L);
    s13x0.intoArray(m, s + 13 * L);
    s14x0.intoArray(m, s + 14 * L);
    s15x0.intoArray(m, s + 15 * L);
  }
}
