package io.mla4j.ops;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Float32 and int32 elements in memory, and the inner loops over arrays of them. */
public final class Floats {
  private Floats() {}

  /** Copies n elements from element {@code from} of segment to {@code to[at ..]}. */
  public static void read(MemorySegment segment, long from, float[] to, int at, int n) {
    MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, from * Float.BYTES, to, at, n);
  }

  /** Copies {@code from[at .. at + n)} to element {@code to} of segment. */
  public static void write(float[] from, int at, MemorySegment segment, long to, int n) {
    MemorySegment.copy(from, at, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, to * Float.BYTES, n);
  }

  /** One float32 element. */
  public static float get(MemorySegment segment, long index) {
    return segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
  }

  /** Writes one float32 element. */
  public static void set(MemorySegment segment, long index, float value) {
    segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, index * Float.BYTES, value);
  }

  /** One int32 element. */
  public static int getInt(MemorySegment segment, long index) {
    return segment.get(ValueLayout.JAVA_INT_UNALIGNED, index * Integer.BYTES);
  }

  /** Writes one int32 element. */
  public static void setInt(MemorySegment segment, long index, int value) {
    segment.set(ValueLayout.JAVA_INT_UNALIGNED, index * Integer.BYTES, value);
  }

  /**
   * Eight sums, element i in sum i mod 8, added as a tree: a fixed order that leaves the processor
   * room.
   */
  public static float dot(float[] a, int ai, float[] b, int bi, int n) {
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

  /**
   * The largest magnitude of {@code a[begin .. end)}: not finite where one of them is not, NaN
   * before infinity.
   */
  public static float largestMagnitude(float[] a, int begin, int end) {
    int largest = 0;
    for (int i = begin; i < end; i++) {
      largest = Math.max(largest, Float.floatToRawIntBits(a[i]) & 0x7fffffff);
    }
    return Float.intBitsToFloat(largest);
  }

  /** Whether one of {@code a[begin .. end)} is x. */
  public static boolean contains(float[] a, int begin, int end, float x) {
    for (int i = begin; i < end; i++) {
      if (a[i] == x) {
        return true;
      }
    }
    return false;
  }

  /** The sum of n elements: four sums, element i in sum i mod 4, added as a tree. */
  public static float sum(float[] a, int n) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
      s0 += a[i];
      s1 += a[i + 1];
      s2 += a[i + 2];
      s3 += a[i + 3];
    }
    float rest = 0;
    for (; i < n; i++) {
      rest += a[i];
    }
    return ((s0 + s2) + (s1 + s3)) + rest;
  }

  /** {@code y += factor * x}. */
  public static void axpy(float factor, float[] x, int xi, float[] y, int yi, int n) {
    for (int i = 0; i < n; i++) {
      y[yi + i] += factor * x[xi + i];
    }
  }

  /** The float32 nearest to e^x. */
  public static float exp(float x) {
    return (float) Math.exp(x);
  }

  /** {@code out = weight * in / sqrt(mean(in^2) + eps)} over n elements; out may be in. */
  public static void normalize(float[] in, float[] weight, float eps, int n, float[] out) {
    float factor = (float) (1 / Math.sqrt(dot(in, 0, in, 0, n) / n + eps));
    for (int i = 0; i < n; i++) {
      out[i] = weight[i] * (in[i] * factor);
    }
  }

  /** Rounds {@code a[at .. at + n)} to bf16 where {@code rounds}. */
  public static void roundIf(boolean rounds, float[] a, int at, int n) {
    if (rounds) {
      for (int i = at; i < at + n; i++) {
        a[i] = Bf16.round(a[i]);
      }
    }
  }
}
