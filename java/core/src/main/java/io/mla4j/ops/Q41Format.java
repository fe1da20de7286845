package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * ggml's Q4_1: 32 elements {@code d * q + m}, the product rounded. Bytes: d and m binary16; nibbles
 * as in {@link Q40Format}.
 */
final class Q41Format extends BlockFormat {
  Q41Format() {
    super("Q4_1", 4, 32, 20);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    float d = half(segment, from);
    float m = half(segment, from + 2);
    for (int i = 0; i < 16; i++) {
      int q = byteAt(segment, from + 4 + i);
      to[at + i] = d * (q & 15) + m;
      to[at + i + 16] = d * (q >> 4) + m;
    }
  }
}
