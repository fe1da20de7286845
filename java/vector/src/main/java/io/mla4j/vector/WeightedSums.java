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
   * out[r, :] = factors[r] * out[r, :] + sum over t of p[r, t] * v[t, :], with columns up to {@code
   * width} rounded up to whole vectors: rows of v and out are readable that far.
   *
   * @param p element (r, t) lies at {@code p0 + r * pRow + t * pKey}
   */
  static void add(
      float[] p,
      int p0,
      int pRow,
      int pKey,
      int rows,
      float[] v,
      int v0,
      int vStride,
      int keys,
      int width,
      float[] factors,
      int f0,
      float[] out,
      int o0,
      int oStride) {
    int tile = Lanes.WIDE ? 4 * L : 2 * L;
    int d = 0;
    for (; d + tile <= width; d += tile) {
      int r = 0;
      for (; r + 4 <= rows; r += 4) {
        int pAt = p0 + r * pRow;
        int oAt = o0 + r * oStride + d;
        if (Lanes.WIDE) {
          add4x4(p, pAt, pRow, pKey, v, v0 + d, vStride, keys, factors, f0 + r, out, oAt, oStride);
        } else {
          add4x2(p, pAt, pRow, pKey, v, v0 + d, vStride, keys, factors, f0 + r, out, oAt, oStride);
        }
      }
      for (; r < rows; r++) {
        int pAt = p0 + r * pRow;
        int oAt = o0 + r * oStride + d;
        if (Lanes.WIDE) {
          add1x4(p, pAt, pRow, pKey, v, v0 + d, vStride, keys, factors, f0 + r, out, oAt, oStride);
        } else {
          add1x2(p, pAt, pRow, pKey, v, v0 + d, vStride, keys, factors, f0 + r, out, oAt, oStride);
        }
      }
    }
    for (; d < width; d += L) {
      for (int r = 0; r < rows; r++) {
        int pAt = p0 + r * pRow;
        int oAt = o0 + r * oStride + d;
        add1x1(p, pAt, pRow, pKey, v, v0 + d, vStride, keys, factors, f0 + r, out, oAt, oStride);
      }
    }
  }

  /** 4 rows, 4 vectors. */
  private static void add4x4(
      float[] p,
      int p0,
      int pRow,
      int pKey,
      float[] v,
      int v0,
      int vStride,
      int keys,
      float[] factors,
      int f0,
      float[] out,
      int o0,
      int oStride) {
    int o1 = o0 + oStride;
    int o2 = o1 + oStride;
    int o3 = o2 + oStride;
    float first = factors[f0];
    FloatVector s00 = FloatVector.fromArray(F, out, o0).mul(first);
    FloatVector s01 = FloatVector.fromArray(F, out, o0 + 1 * L).mul(first);
    FloatVector s02 = FloatVector.fromArray(F, out, o0 + 2 * L).mul(first);
    FloatVector s03 = FloatVector.fromArray(F, out, o0 + 3 * L).mul(first);
    float second = factors[f0 + 1];
    FloatVector s10 = FloatVector.fromArray(F, out, o1).mul(second);
    FloatVector s11 = FloatVector.fromArray(F, out, o1 + 1 * L).mul(second);
    FloatVector s12 = FloatVector.fromArray(F, out, o1 + 2 * L).mul(second);
    FloatVector s13 = FloatVector.fromArray(F, out, o1 + 3 * L).mul(second);
    float third = factors[f0 + 2];
    FloatVector s20 = FloatVector.fromArray(F, out, o2).mul(third);
    FloatVector s21 = FloatVector.fromArray(F, out, o2 + 1 * L).mul(third);
    FloatVector s22 = FloatVector.fromArray(F, out, o2 + 2 * L).mul(third);
    FloatVector s23 = FloatVector.fromArray(F, out, o2 + 3 * L).mul(third);
    float fourth = factors[f0 + 3];
    FloatVector s30 = FloatVector.fromArray(F, out, o3).mul(fourth);
    FloatVector s31 = FloatVector.fromArray(F, out, o3 + 1 * L).mul(fourth);
    FloatVector s32 = FloatVector.fromArray(F, out, o3 + 2 * L).mul(fourth);
    FloatVector s33 = FloatVector.fromArray(F, out, o3 + 3 * L).mul(fourth);
    for (int t = 0; t < keys; t++) {
      int at = v0 + t * vStride;
      int w = p0 + t * pKey;
      FloatVector x0 = FloatVector.fromArray(F, v, at);
      FloatVector x1 = FloatVector.fromArray(F, v, at + 1 * L);
      FloatVector x2 = FloatVector.fromArray(F, v, at + 2 * L);
      FloatVector x3 = FloatVector.fromArray(F, v, at + 3 * L);
      FloatVector b = FloatVector.broadcast(F, p[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
      b = FloatVector.broadcast(F, p[w + pRow]);
      s10 = x0.fma(b, s10);
      s11 = x1.fma(b, s11);
      s12 = x2.fma(b, s12);
      s13 = x3.fma(b, s13);
      b = FloatVector.broadcast(F, p[w + 2 * pRow]);
      s20 = x0.fma(b, s20);
      s21 = x1.fma(b, s21);
      s22 = x2.fma(b, s22);
      s23 = x3.fma(b, s23);
      b = FloatVector.broadcast(F, p[w + 3 * pRow]);
      s30 = x0.fma(b, s30);
      s31 = x1.fma(b, s31);
      s32 = x2.fma(b, s32);
      s33 = x3.fma(b, s33);
    }
    s00.intoArray(out, o0);
    s01.intoArray(out, o0 + 1 * L);
    s02.intoArray(out, o0 + 2 * L);
    s03.intoArray(out, o0 + 3 * L);
    s10.intoArray(out, o1);
    s11.intoArray(out, o1 + 1 * L);
    s12.intoArray(out, o1 + 2 * L);
    s13.intoArray(out, o1 + 3 * L);
    s20.intoArray(out, o2);
    s21.intoArray(out, o2 + 1 * L);
    s22.intoArray(out, o2 + 2 * L);
    s23.intoArray(out, o2 + 3 * L);
    s30.intoArray(out, o3);
    s31.intoArray(out, o3 + 1 * L);
    s32.intoArray(out, o3 + 2 * L);
    s33.intoArray(out, o3 + 3 * L);
  }

  /** 4 rows, 2 vectors. */
  private static void add4x2(
      float[] p,
      int p0,
      int pRow,
      int pKey,
      float[] v,
      int v0,
      int vStride,
      int keys,
      float[] factors,
      int f0,
      float[] out,
      int o0,
      int oStride) {
    int o1 = o0 + oStride;
    int o2 = o1 + oStride;
    int o3 = o2 + oStride;
    float first = factors[f0];
    FloatVector s00 = FloatVector.fromArray(F, out, o0).mul(first);
    FloatVector s01 = FloatVector.fromArray(F, out, o0 + 1 * L).mul(first);
    float second = factors[f0 + 1];
    FloatVector s10 = FloatVector.fromArray(F, out, o1).mul(second);
    FloatVector s11 = FloatVector.fromArray(F, out, o1 + 1 * L).mul(second);
    float third = factors[f0 + 2];
    FloatVector s20 = FloatVector.fromArray(F, out, o2).mul(third);
    FloatVector s21 = FloatVector.fromArray(F, out, o2 + 1 * L).mul(third);
    float fourth = factors[f0 + 3];
    FloatVector s30 = FloatVector.fromArray(F, out, o3).mul(fourth);
    FloatVector s31 = FloatVector.fromArray(F, out, o3 + 1 * L).mul(fourth);
    for (int t = 0; t < keys; t++) {
      int at = v0 + t * vStride;
      int w = p0 + t * pKey;
      FloatVector x0 = FloatVector.fromArray(F, v, at);
      FloatVector x1 = FloatVector.fromArray(F, v, at + 1 * L);
      FloatVector b = FloatVector.broadcast(F, p[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      b = FloatVector.broadcast(F, p[w + pRow]);
      s10 = x0.fma(b, s10);
      s11 = x1.fma(b, s11);
      b = FloatVector.broadcast(F, p[w + 2 * pRow]);
      s20 = x0.fma(b, s20);
      s21 = x1.fma(b, s21);
      b = FloatVector.broadcast(F, p[w + 3 * pRow]);
      s30 = x0.fma(b, s30);
      s31 = x1.fma(b, s31);
    }
    s00.intoArray(out, o0);
    s01.intoArray(out, o0 + 1 * L);
    s10.intoArray(out, o1);
    s11.intoArray(out, o1 + 1 * L);
    s20.intoArray(out, o2);
    s21.intoArray(out, o2 + 1 * L);
    s30.intoArray(out, o3);
    s31.intoArray(out, o3 + 1 * L);
  }

  /** 1 row, 4 vectors. */
  private static void add1x4(
      float[] p,
      int p0,
      int pRow,
      int pKey,
      float[] v,
      int v0,
      int vStride,
      int keys,
      float[] factors,
      int f0,
      float[] out,
      int o0,
      int oStride) {
    float first = factors[f0];
    FloatVector s00 = FloatVector.fromArray(F, out, o0).mul(first);
    FloatVector s01 = FloatVector.fromArray(F, out, o0 + 1 * L).mul(first);
    FloatVector s02 = FloatVector.fromArray(F, out, o0 + 2 * L).mul(first);
    FloatVector s03 = FloatVector.fromArray(F, out, o0 + 3 * L).mul(first);
    for (int t = 0; t < keys; t++) {
      int at = v0 + t * vStride;
      int w = p0 + t * pKey;
      FloatVector x0 = FloatVector.fromArray(F, v, at);
      FloatVector x1 = FloatVector.fromArray(F, v, at + 1 * L);
      FloatVector x2 = FloatVector.fromArray(F, v, at + 2 * L);
      FloatVector x3 = FloatVector.fromArray(F, v, at + 3 * L);
      FloatVector b = FloatVector.broadcast(F, p[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
      s02 = x2.fma(b, s02);
      s03 = x3.fma(b, s03);
    }
    s00.intoArray(out, o0);
    s01.intoArray(out, o0 + 1 * L);
    s02.intoArray(out, o0 + 2 * L);
    s03.intoArray(out, o0 + 3 * L);
  }

  /** 1 row, 2 vectors. */
  private static void add1x2(
      float[] p,
      int p0,
      int pRow,
      int pKey,
      float[] v,
      int v0,
      int vStride,
      int keys,
      float[] factors,
      int f0,
      float[] out,
      int o0,
      int oStride) {
    float first = factors[f0];
    FloatVector s00 = FloatVector.fromArray(F, out, o0).mul(first);
    FloatVector s01 = FloatVector.fromArray(F, out, o0 + 1 * L).mul(first);
    for (int t = 0; t < keys; t++) {
      int at = v0 + t * vStride;
      int w = p0 + t * pKey;
      FloatVector x0 = FloatVector.fromArray(F, v, at);
      FloatVector x1 = FloatVector.fromArray(F, v, at + 1 * L);
      FloatVector b = FloatVector.broadcast(F, p[w]);
      s00 = x0.fma(b, s00);
      s01 = x1.fma(b, s01);
    }
    s00.intoArray(out, o0);
    s01.intoArray(out, o0 + 1 * L);
  }

  /** 1 row, 1 vector. */
  private static void add1x1(
      float[] p,
      int p0,
      int pRow,
      int pKey,
      float[] v,
      int v0,
      int vStride,
      int keys,
      float[] factors,
      int f0,
      float[] out,
      int o0,
      int oStride) {
    float first = factors[f0];
    FloatVector s00 = FloatVector.fromArray(F, out, o0).mul(first);
    for (int t = 0; t < keys; t++) {
      int at = v0 + t * vStride;
      int w = p0 + t * pKey;
      FloatVector x0 = FloatVector.fromArray(F, v, at);
      FloatVector b = FloatVector.broadcast(F, p[w]);
      s00 = x0.fma(b, s00);
    }
    s00.intoArray(out, o0);
  }
}
