package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * ggml's Q5_1: 32 elements {@code d * q + m}, the product rounded. Bytes: d and m binary16; high
 * bits and nibbles as in {@link Q50Format}.
 */
final class Q51Format extends BlockFormat {
  Q51Format() {
    super("Q5_1", 6, 32, 24);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    float d = half(segment, from);
    float m = half(segment, from + 2);
    int high = segment.get(JAVA_INT_UNALIGNED, from + 4);
    for (int i = 0; i < 16; i++) {
      int q = byteAt(segment, from + 8 + i);
      to[at + i] = d * (q & 15 | (high >>> i & 1) << 4) + m;
      to[at + i + 16] = d * (q >> 4 | (high >>> i + 16 & 1) << 4) + m;
    }
  }
}
