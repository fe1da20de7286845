package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;

/**
 * An 8-bit float (OCP FP8 E4M3): sign, 4 bits of exponent with bias 7, 3 of fraction. No infinity;
 * all bits of a magnitude set are NaN.
 */
final class F8E4m3Format extends StorageFormat {
  private static final float[] VALUES = new float[256];

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
    for (int i = 0; i < n; i++) {
      to[at + i] = VALUES[segment.get(JAVA_BYTE, offset + i) & 0xff];
    }
  }
}
