package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** IEEE 754 binary16. */
final class F16Format extends StorageFormat {
  F16Format() {
    super("F16", 2, 1, 2);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i++) {
      to[at + i] = Float.float16ToFloat(segment.get(JAVA_SHORT_UNALIGNED, offset + 2L * i));
    }
  }

  @Override
  public float read(MemorySegment segment, long offset) {
    return Float.float16ToFloat(segment.get(JAVA_SHORT_UNALIGNED, offset));
  }

  @Override
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    for (int i = 0; i < n; i++) {
      segment.set(JAVA_SHORT_UNALIGNED, offset + 2L * i, Float.floatToFloat16(from[at + i]));
    }
  }
}
