package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;

/**
 * An 8-bit float (OCP FP8 E4M3): sign, 4 bits of exponent with bias 7, 3 of fraction. No infinity;
 * all bits of a magnitude set are NaN.
 */
final class F8E4m3Format extends StorageFormat {
  private static final float[] VALUES = new float[256];
  private static final float LARGEST = 448;
  private static final float SMALLEST_NORMAL = 0x1p-6f;

  static {
    for (int i = 0; i < 256; i++) {
      int magnitude = i & 0x7f;
      // a binary16 with the same bits is smaller by the difference of the biases
      float value = Float.float16ToFloat((short) (magnitude << 7)) * 256;
      value = magnitude == 0x7f ? Float.NaN : value;
      VALUES[i] = i < 128 ? value : -value;
    }
  }

  F8E4m3Format() {
    super("F8_E4M3", 16, 1, 1);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    byte[] run = Scratch.ofThread().bytes();
    for (int begin = 0; begin < n; begin += run.length) {
      int count = Math.min(run.length, n - begin);
      MemorySegment.copy(segment, JAVA_BYTE, offset + begin, run, 0, count);
      for (int i = 0; i < count; i++) {
        to[at + begin + i] = VALUES[run[i] & 0xff];
      }
    }
  }

  @Override
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    byte[] run = Scratch.ofThread().bytes();
    for (int begin = 0; begin < n; begin += run.length) {
      int count = Math.min(run.length, n - begin);
      for (int i = 0; i < count; i++) {
        run[i] = code(from[at + begin + i]);
      }
      MemorySegment.copy(run, 0, segment, JAVA_BYTE, offset + begin, count);
    }
  }

  private static byte code(float x) {
    int sign = Float.floatToRawIntBits(x) >>> 24 & 0x80;
    if (Float.isNaN(x)) {
      return (byte) (sign | 0x7f);
    }
    float magnitude = Math.min(Math.abs(x), LARGEST);
    if (magnitude < SMALLEST_NORMAL) {
      return (byte) (sign | (int) Math.rint(magnitude * 0x1p9f));
    }
    int bits = Float.floatToRawIntBits(magnitude);
    return (byte) (sign | (bits + 0x7ffff + (bits >>> 20 & 1) >>> 20) - (120 << 3));
  }

  @Override
  public float latentScale(float largest, boolean isNegative) {
    return largest / LARGEST;
  }
}
