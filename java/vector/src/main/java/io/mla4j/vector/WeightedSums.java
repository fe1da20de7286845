package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Sums of weighted rows with the columns in the lanes: an element adds its products in the order of
 * the rows, whatever the tile.
 */
final class WeightedSums {
  private WeightedSums() {}

  /**
   * out[r, :] = factors[r] * out[r, :] + sum over t of p[t, r] * v[t, :], with columns up to {@code
   * width} rounded up to whole vectors: rows of v and out are readable that far.
   *
   * @param m the slab: p, v, factors and out are indices of it
   * @param p (keys, pStride), of which {@code rows} count
   * @param v (keys, vStride)
   * @param factors (rows)
   * @param out (rows, outStride)
   */
  static void add(
      float[] m,
      int p,
      int pStride,
      int rows,
      int v,
      int vStride,
      int keys,
      int width,
      int factors,
      int out,
      int outStride) {
    int tile = Lanes.WIDE ? 4 * L : 2 * L;
    int d = 0;
    for (; d + tile <= width; d += tile) {
      int r = 0;
      for (; r + 4 <= rows; r += 4) {
        int o = out + r * outStride + d;
        if (Lanes.WIDE) {
          add4x4(m, p + r, pStride, v + d, vStride, keys, factors + r, o, outStride);
        } else {
          add4x2(m, p + r, pStride, v + d, vStride, keys, factors + r, o, outStride);
        }
      }
      for (; r < rows; r++) {
        int o = out + r * outStride + d;
        if (Lanes.WIDE) {
          add1x4(m, p + r, pStride, v + d, vStride, keys, factors + r, o);
        } else {
          add1x2(m, p + r, pStride, v + d, vStride, keys, factors + r, o);
        }
      }
    }
    for (; d < width; d += L) {
      for (int r = 0; r < rows; r++) {
        int o = out + r * outStride + d;
        add1x1(m, p + r, pStride, v + d, vStride, keys, factors + r, o);
      }
    }
  }

  /**
   * The same for values as they are stored in BF16, two numbers in a float, and vectors of 512
   * bits; out in the order of {@link Lanes#split}.
   *
   * @param v (keys, vStride), of which width / 2 floats count
   * @param width a multiple of two vectors
   */
  static void addBf16(
      float[] m,
      int p,
      int pStride,
      int rows,
      int v,
      int vStride,
      int keys,
      int width,
      int factors,
      int out,
      int outStride) {
    int d = 0;
    for (; d + 4 * L <= width; d += 4 * L) {
      int at = v + d / 2;
      int r = 0;
      for (; r + 6 <= rows; r += 6) {
        int o = out + r * outStride + d;
        add6x4Bf16(m, p + r, pStride, at, vStride, keys, factors + r, o, outStride);
      }
      for (; r + 4 <= rows; r += 4) {
        int o = out + r * outStride + d;
        add4x4Bf16(m, p + r, pStride, at, vStride, keys, factors + r, o, outStride);
      }
      for (; r < rows; r++) {
        int o = out + r * outStride + d;
        add1x4Bf16(m, p + r, pStride, at, vStride, keys, factors + r, o);
      }
    }
    for (; d < width; d += 2 * L) {
      for (int r = 0; r < rows; r++) {
        int o = out + r * outStride + d;
        add1x2Bf16(m, p + r, pStride, v + d / 2, vStride, keys, factors + r, o);
      }
    }
  }

  /** 4 rows, 4 vectors. */
  private static void add4x4(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0, int oStride) {
    int o1 = o0 + oStride;
    int o2 = o1 + oStride;
    int o3 = o2 + oStride;
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    FloatVector s02 = FloatVector.fromArray(F, m, o0 + 2 * L).mul(m[f]);
    FloatVector s03 = FloatVector.fromArray(F, m, o0 + 3 * L).mul(m[f]);
    FloatVector s10 = FloatVector.fromArray(F, m, o1).mul(m[f + 1]);
    FloatVector s11 = FloatVector.fromArray(F, m, o1 + L).mul(m[f + 1]);
    FloatVector s12 = FloatVector.fromArray(F, m, o1 + 2 * L).mul(m[f + 1]);
    FloatVector s13 = FloatVector.fromArray(F, m, o1 + 3 * L).mul(m[f + 1]);
    FloatVector s20 = FloatVector.fromArray(F, m, o2).mul(m[f + 2]);
    FloatVector s21 = FloatVector.fromArray(F, m, o2 + L).mul(m[f + 2]);
    FloatVector s22 = FloatVector.fromArray(F, m, o2 + 2 * L).mul(m[f + 2]);
    FloatVector s23 = FloatVector.fromArray(F, m, o2 + 3 * L).mul(m[f + 2]);
    FloatVector s30 = FloatVector.fromArray(F, m, o3).mul(m[f + 3]);
    FloatVector s31 = FloatVector.fromArray(F, m, o3 + L).mul(m[f + 3]);
    FloatVector s32 = FloatVector.fromArray(F, m, o3 + 2 * L).mul(m[f + 3]);
    FloatVector s33 = FloatVector.fromArray(F, m, o3 + 3 * L).mul(m[f + 3]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      FloatVector x0 = FloatVector.fromArray(F, m, at);
      FloatVector x1 = FloatVector.fromArray(F, m, at + L);
      FloatVector x2 = FloatVector.fromArray(F, m, at + 2 * L);
      FloatVector x3 = FloatVector.fromArray(F, m, at + 3 * L);
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
      b = FloatVector.broadcast(F, m[w + 1]);
      s10 = x0.fma(b, s10);
      s11 = x1.fma(b, s11);
      s12 = x2.fma(b, s12);
      s13 = x3.fma(b, s13);
      b = FloatVector.broadcast(F, m[w + 2]);
      s20 = x0.fma(b, s20);
      s21 = x1.fma(b, s21);
      s22 = x2.fma(b, s22);
      s23 = x3.fma(b, s23);
      b = FloatVector.broadcast(F, m[w + 3]);
      s30 = x0.fma(b, s30);
      s31 = x1.fma(b, s31);
      s32 = x2.fma(b, s32);
      s33 = x3.fma(b, s33);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
    s02.intoArray(m, o0 + 2 * L);
    s03.intoArray(m, o0 + 3 * L);
    s10.intoArray(m, o1);
    s11.intoArray(m, o1 + L);
    s12.intoArray(m, o1 + 2 * L);
    s13.intoArray(m, o1 + 3 * L);
    s20.intoArray(m, o2);
    s21.intoArray(m, o2 + L);
    s22.intoArray(m, o2 + 2 * L);
    s23.intoArray(m, o2 + 3 * L);
    s30.intoArray(m, o3);
    s31.intoArray(m, o3 + L);
    s32.intoArray(m, o3 + 2 * L);
    s33.intoArray(m, o3 + 3 * L);
  }

  /** 4 rows, 2 vectors. */
  private static void add4x2(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0, int oStride) {
    int o1 = o0 + oStride;
    int o2 = o1 + oStride;
    int o3 = o2 + oStride;
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    FloatVector s10 = FloatVector.fromArray(F, m, o1).mul(m[f + 1]);
    FloatVector s11 = FloatVector.fromArray(F, m, o1 + L).mul(m[f + 1]);
    FloatVector s20 = FloatVector.fromArray(F, m, o2).mul(m[f + 2]);
    FloatVector s21 = FloatVector.fromArray(F, m, o2 + L).mul(m[f + 2]);
    FloatVector s30 = FloatVector.fromArray(F, m, o3).mul(m[f + 3]);
    FloatVector s31 = FloatVector.fromArray(F, m, o3 + L).mul(m[f + 3]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      FloatVector x0 = FloatVector.fromArray(F, m, at);
      FloatVector x1 = FloatVector.fromArray(F, m, at + L);
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      b = FloatVector.broadcast(F, m[w + 1]);
      s10 = x0.fma(b, s10);
      s11 = x1.fma(b, s11);
      b = FloatVector.broadcast(F, m[w + 2]);
      s20 = x0.fma(b, s20);
      s21 = x1.fma(b, s21);
      b = FloatVector.broadcast(F, m[w + 3]);
      s30 = x0.fma(b, s30);
      s31 = x1.fma(b, s31);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
    s10.intoArray(m, o1);
    s11.intoArray(m, o1 + L);
    s20.intoArray(m, o2);
    s21.intoArray(m, o2 + L);
    s30.intoArray(m, o3);
    s31.intoArray(m, o3 + L);
  }

  /** 1 row, 4 vectors. */
  private static void add1x4(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0) {
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    FloatVector s02 = FloatVector.fromArray(F, m, o0 + 2 * L).mul(m[f]);
    FloatVector s03 = FloatVector.fromArray(F, m, o0 + 3 * L).mul(m[f]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      FloatVector x0 = FloatVector.fromArray(F, m, at);
      FloatVector x1 = FloatVector.fromArray(F, m, at + L);
      FloatVector x2 = FloatVector.fromArray(F, m, at + 2 * L);
      FloatVector x3 = FloatVector.fromArray(F, m, at + 3 * L);
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
    s02.intoArray(m, o0 + 2 * L);
    s03.intoArray(m, o0 + 3 * L);
  }

  /** 1 row, 2 vectors. */
  private static void add1x2(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0) {
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      FloatVector x0 = FloatVector.fromArray(F, m, at);
      FloatVector x1 = FloatVector.fromArray(F, m, at + L);
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
  }

  /** 1 row, 1 vector. */
  private static void add1x1(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0) {
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      FloatVector x0 = FloatVector.fromArray(F, m, at);
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
    }
    s00.intoArray(m, o0);
  }

  /** 6 rows, 4 vectors of stored values. */
  private static void add6x4Bf16(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0, int oStride) {
    int o1 = o0 + oStride;
    int o2 = o1 + oStride;
    int o3 = o2 + oStride;
    int o4 = o3 + oStride;
    int o5 = o4 + oStride;
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    FloatVector s02 = FloatVector.fromArray(F, m, o0 + 2 * L).mul(m[f]);
    FloatVector s03 = FloatVector.fromArray(F, m, o0 + 3 * L).mul(m[f]);
    FloatVector s10 = FloatVector.fromArray(F, m, o1).mul(m[f + 1]);
    FloatVector s11 = FloatVector.fromArray(F, m, o1 + L).mul(m[f + 1]);
    FloatVector s12 = FloatVector.fromArray(F, m, o1 + 2 * L).mul(m[f + 1]);
    FloatVector s13 = FloatVector.fromArray(F, m, o1 + 3 * L).mul(m[f + 1]);
    FloatVector s20 = FloatVector.fromArray(F, m, o2).mul(m[f + 2]);
    FloatVector s21 = FloatVector.fromArray(F, m, o2 + L).mul(m[f + 2]);
    FloatVector s22 = FloatVector.fromArray(F, m, o2 + 2 * L).mul(m[f + 2]);
    FloatVector s23 = FloatVector.fromArray(F, m, o2 + 3 * L).mul(m[f + 2]);
    FloatVector s30 = FloatVector.fromArray(F, m, o3).mul(m[f + 3]);
    FloatVector s31 = FloatVector.fromArray(F, m, o3 + L).mul(m[f + 3]);
    FloatVector s32 = FloatVector.fromArray(F, m, o3 + 2 * L).mul(m[f + 3]);
    FloatVector s33 = FloatVector.fromArray(F, m, o3 + 3 * L).mul(m[f + 3]);
    FloatVector s40 = FloatVector.fromArray(F, m, o4).mul(m[f + 4]);
    FloatVector s41 = FloatVector.fromArray(F, m, o4 + L).mul(m[f + 4]);
    FloatVector s42 = FloatVector.fromArray(F, m, o4 + 2 * L).mul(m[f + 4]);
    FloatVector s43 = FloatVector.fromArray(F, m, o4 + 3 * L).mul(m[f + 4]);
    FloatVector s50 = FloatVector.fromArray(F, m, o5).mul(m[f + 5]);
    FloatVector s51 = FloatVector.fromArray(F, m, o5 + L).mul(m[f + 5]);
    FloatVector s52 = FloatVector.fromArray(F, m, o5 + 2 * L).mul(m[f + 5]);
    FloatVector s53 = FloatVector.fromArray(F, m, o5 + 3 * L).mul(m[f + 5]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      IntVector y0 = FloatVector.fromArray(F, m, at).reinterpretAsInts();
      IntVector y1 = FloatVector.fromArray(F, m, at + L).reinterpretAsInts();
      FloatVector x0 = y0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector x1 = y0.and(0xffff0000).reinterpretAsFloats();
      FloatVector x2 = y1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector x3 = y1.and(0xffff0000).reinterpretAsFloats();
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
      b = FloatVector.broadcast(F, m[w + 1]);
      s10 = x0.fma(b, s10);
      s11 = x1.fma(b, s11);
      s12 = x2.fma(b, s12);
      s13 = x3.fma(b, s13);
      b = FloatVector.broadcast(F, m[w + 2]);
      s20 = x0.fma(b, s20);
      s21 = x1.fma(b, s21);
      s22 = x2.fma(b, s22);
      s23 = x3.fma(b, s23);
      b = FloatVector.broadcast(F, m[w + 3]);
      s30 = x0.fma(b, s30);
      s31 = x1.fma(b, s31);
      s32 = x2.fma(b, s32);
      s33 = x3.fma(b, s33);
      b = FloatVector.broadcast(F, m[w + 4]);
      s40 = x0.fma(b, s40);
      s41 = x1.fma(b, s41);
      s42 = x2.fma(b, s42);
      s43 = x3.fma(b, s43);
      b = FloatVector.broadcast(F, m[w + 5]);
      s50 = x0.fma(b, s50);
      s51 = x1.fma(b, s51);
      s52 = x2.fma(b, s52);
      s53 = x3.fma(b, s53);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
    s02.intoArray(m, o0 + 2 * L);
    s03.intoArray(m, o0 + 3 * L);
    s10.intoArray(m, o1);
    s11.intoArray(m, o1 + L);
    s12.intoArray(m, o1 + 2 * L);
    s13.intoArray(m, o1 + 3 * L);
    s20.intoArray(m, o2);
    s21.intoArray(m, o2 + L);
    s22.intoArray(m, o2 + 2 * L);
    s23.intoArray(m, o2 + 3 * L);
    s30.intoArray(m, o3);
    s31.intoArray(m, o3 + L);
    s32.intoArray(m, o3 + 2 * L);
    s33.intoArray(m, o3 + 3 * L);
    s40.intoArray(m, o4);
    s41.intoArray(m, o4 + L);
    s42.intoArray(m, o4 + 2 * L);
    s43.intoArray(m, o4 + 3 * L);
    s50.intoArray(m, o5);
    s51.intoArray(m, o5 + L);
    s52.intoArray(m, o5 + 2 * L);
    s53.intoArray(m, o5 + 3 * L);
  }

  /** 4 rows, 4 vectors of stored values. */
  private static void add4x4Bf16(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0, int oStride) {
    int o1 = o0 + oStride;
    int o2 = o1 + oStride;
    int o3 = o2 + oStride;
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    FloatVector s02 = FloatVector.fromArray(F, m, o0 + 2 * L).mul(m[f]);
    FloatVector s03 = FloatVector.fromArray(F, m, o0 + 3 * L).mul(m[f]);
    FloatVector s10 = FloatVector.fromArray(F, m, o1).mul(m[f + 1]);
    FloatVector s11 = FloatVector.fromArray(F, m, o1 + L).mul(m[f + 1]);
    FloatVector s12 = FloatVector.fromArray(F, m, o1 + 2 * L).mul(m[f + 1]);
    FloatVector s13 = FloatVector.fromArray(F, m, o1 + 3 * L).mul(m[f + 1]);
    FloatVector s20 = FloatVector.fromArray(F, m, o2).mul(m[f + 2]);
    FloatVector s21 = FloatVector.fromArray(F, m, o2 + L).mul(m[f + 2]);
    FloatVector s22 = FloatVector.fromArray(F, m, o2 + 2 * L).mul(m[f + 2]);
    FloatVector s23 = FloatVector.fromArray(F, m, o2 + 3 * L).mul(m[f + 2]);
    FloatVector s30 = FloatVector.fromArray(F, m, o3).mul(m[f + 3]);
    FloatVector s31 = FloatVector.fromArray(F, m, o3 + L).mul(m[f + 3]);
    FloatVector s32 = FloatVector.fromArray(F, m, o3 + 2 * L).mul(m[f + 3]);
    FloatVector s33 = FloatVector.fromArray(F, m, o3 + 3 * L).mul(m[f + 3]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      IntVector y0 = FloatVector.fromArray(F, m, at).reinterpretAsInts();
      IntVector y1 = FloatVector.fromArray(F, m, at + L).reinterpretAsInts();
      FloatVector x0 = y0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector x1 = y0.and(0xffff0000).reinterpretAsFloats();
      FloatVector x2 = y1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector x3 = y1.and(0xffff0000).reinterpretAsFloats();
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
      b = FloatVector.broadcast(F, m[w + 1]);
      s10 = x0.fma(b, s10);
      s11 = x1.fma(b, s11);
      s12 = x2.fma(b, s12);
      s13 = x3.fma(b, s13);
      b = FloatVector.broadcast(F, m[w + 2]);
      s20 = x0.fma(b, s20);
      s21 = x1.fma(b, s21);
      s22 = x2.fma(b, s22);
      s23 = x3.fma(b, s23);
      b = FloatVector.broadcast(F, m[w + 3]);
      s30 = x0.fma(b, s30);
      s31 = x1.fma(b, s31);
      s32 = x2.fma(b, s32);
      s33 = x3.fma(b, s33);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
    s02.intoArray(m, o0 + 2 * L);
    s03.intoArray(m, o0 + 3 * L);
    s10.intoArray(m, o1);
    s11.intoArray(m, o1 + L);
    s12.intoArray(m, o1 + 2 * L);
    s13.intoArray(m, o1 + 3 * L);
    s20.intoArray(m, o2);
    s21.intoArray(m, o2 + L);
    s22.intoArray(m, o2 + 2 * L);
    s23.intoArray(m, o2 + 3 * L);
    s30.intoArray(m, o3);
    s31.intoArray(m, o3 + L);
    s32.intoArray(m, o3 + 2 * L);
    s33.intoArray(m, o3 + 3 * L);
  }

  /** 1 row, 4 vectors of stored values. */
  private static void add1x4Bf16(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0) {
    FloatVector s00 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s01 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    FloatVector s02 = FloatVector.fromArray(F, m, o0 + 2 * L).mul(m[f]);
    FloatVector s03 = FloatVector.fromArray(F, m, o0 + 3 * L).mul(m[f]);
    for (int t = 0; t < keys; t++) {
      int at = v + t * vStride;
      int w = p + t * pStride;
      IntVector y0 = FloatVector.fromArray(F, m, at).reinterpretAsInts();
      IntVector y1 = FloatVector.fromArray(F, m, at + L).reinterpretAsInts();
      FloatVector x0 = y0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector x1 = y0.and(0xffff0000).reinterpretAsFloats();
      FloatVector x2 = y1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector x3 = y1.and(0xffff0000).reinterpretAsFloats();
      FloatVector b = FloatVector.broadcast(F, m[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
    }
    s00.intoArray(m, o0);
    s01.intoArray(m, o0 + L);
    s02.intoArray(m, o0 + 2 * L);
    s03.intoArray(m, o0 + 3 * L);
  }

  /** 1 row, 2 vectors of stored values. */
  private static void add1x2Bf16(
      float[] m, int p, int pStride, int v, int vStride, int keys, int f, int o0) {
    FloatVector s0 = FloatVector.fromArray(F, m, o0).mul(m[f]);
    FloatVector s1 = FloatVector.fromArray(F, m, o0 + L).mul(m[f]);
    for (int t = 0; t < keys; t++) {
      IntVector y = FloatVector.fromArray(F, m, v + t * vStride).reinterpretAsInts();
      FloatVector b = FloatVector.broadcast(F, m[p + t * pStride]);
      s0 = y.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(b, s0);
      s1 = y.and(0xffff0000).reinterpretAsFloats().fma(b, s1);
    }
    s0.intoArray(m, o0);
    s1.intoArray(m, o0 + L);
  }
}
