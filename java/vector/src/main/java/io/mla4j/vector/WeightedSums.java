package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import jdk.incubator.vector.FloatVector;

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
}
