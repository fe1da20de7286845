package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** IEEE 754 binary32. */
final class F32Format extends StorageFormat {
  F32Format() {
    super("F32", 0, 1, 4);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    MemorySegment.copy(segment, JAVA_FLOAT_UNALIGNED, offset, to, at, n);
  }

  @Override
  public float read(MemorySegment segment, long offset) {
    return segment.get(JAVA_FLOAT_UNALIGNED, offset);
  }

  @Override
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    MemorySegment.copy(from, at, segment, JAVA_FLOAT_UNALIGNED, offset, n);
  }
}
