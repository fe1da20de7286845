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
    short[] run = Scratch.ofThread().shorts();
    for (int begin = 0; begin < n; begin += run.length) {
      int count = Math.min(run.length, n - begin);
      MemorySegment.copy(segment, JAVA_SHORT_UNALIGNED, offset + 2L * begin, run, 0, count);
      for (int i = 0; i < count; i++) {
        to[at + begin + i] = Bf16.toFloat(run[i]);
      }
    }
  }

  @Override
  public float read(MemorySegment segment, long offset) {
    return Bf16.toFloat(segment.get(JAVA_SHORT_UNALIGNED, offset));
  }

  @Override
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    short[] run = Scratch.ofThread().shorts();
    for (int begin = 0; begin < n; begin += run.length) {
      int count = Math.min(run.length, n - begin);
      for (int i = 0; i < count; i++) {
        run[i] = Bf16.fromFloat(from[at + begin + i]);
      }
      MemorySegment.copy(run, 0, segment, JAVA_SHORT_UNALIGNED, offset + 2L * begin, count);
    }
  }
}
