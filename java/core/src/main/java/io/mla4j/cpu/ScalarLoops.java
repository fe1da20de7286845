package io.mla4j.cpu;

import io.mla4j.ops.Bf16;

/** The inner loops of the scalar kernels. */
final class ScalarLoops {
  private ScalarLoops() {}

  /**
   * Eight sums, element i in sum i mod 8, added as a tree: a fixed order that leaves the processor
   * room.
   */
  static float dot(float[] a, int ai, float[] b, int bi, int n) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    float s4 = 0;
    float s5 = 0;
    float s6 = 0;
    float s7 = 0;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
      s0 += a[ai + i] * b[bi + i];
      s1 += a[ai + i + 1] * b[bi + i + 1];
      s2 += a[ai + i + 2] * b[bi + i + 2];
      s3 += a[ai + i + 3] * b[bi + i + 3];
      s4 += a[ai + i + 4] * b[bi + i + 4];
      s5 += a[ai + i + 5] * b[bi + i + 5];
      s6 += a[ai + i + 6] * b[bi + i + 6];
      s7 += a[ai + i + 7] * b[bi + i + 7];
    }
    float rest = 0;
    for (; i < n; i++) {
      rest += a[ai + i] * b[bi + i];
    }
    return (((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))) + rest;
  }

  /** {@code y += factor * x}. */
  static void axpy(float factor, float[] x, int xi, float[] y, int yi, int n) {
    for (int i = 0; i < n; i++) {
      y[yi + i] += factor * x[xi + i];
    }
  }

  static float exp(float x) {
    return (float) Math.exp(x);
  }

  /** Rounds {@code a[at .. at + n)} to bf16 where {@code rounds}. */
  static void roundIf(boolean rounds, float[] a, int at, int n) {
    if (rounds) {
      for (int i = at; i < at + n; i++) {
        a[i] = Bf16.round(a[i]);
      }
    }
  }
}
