package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** The upper half of a binary32. */
final class Bf16Format extends StorageFormat {
  Bf16Format() {
    super("BF16", 1, 1, 2);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i++) {
      to[at + i] = Bf16.toFloat(segment.get(JAVA_SHORT_UNALIGNED, offset + 2L * i));
    }
  }

  @Override
  public float read(MemorySegment segment, long offset) {
    return Bf16.toFloat(segment.get(JAVA_SHORT_UNALIGNED, offset));
  }

  @Override
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    for (int i = 0; i < n; i++) {
      segment.set(JAVA_SHORT_UNALIGNED, offset + 2L * i, Bf16.fromFloat(from[at + i]));
    }
  }
}
