package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;

/** A power of two (OCP MX E8M0), of scales alone: 2^(b - 127), all bits set is NaN. */
final class E8m0Format extends StorageFormat {
  private static final int BIAS = 127;
  private static final int NAN = 255;

  E8m0Format() {
    super("E8M0", 20, 1, 1);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i++) {
      to[at + i] = read(segment, offset + i);
    }
  }

  @Override
  public float read(MemorySegment segment, long offset) {
    int exponent = segment.get(JAVA_BYTE, offset) & 0xff;
    return exponent == NAN ? Float.NaN : Math.scalb(1f, exponent - BIAS);
  }
}
