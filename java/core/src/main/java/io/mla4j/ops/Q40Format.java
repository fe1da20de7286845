package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * ggml's Q4_0: 32 elements {@code d * (q - 8)}. Bytes: d binary16; 16 of nibbles, of which byte i
 * holds q of element i in its low and of element i + 16 in its high one.
 */
final class Q40Format extends BlockFormat {
  Q40Format() {
    super("Q4_0", 3, 32, 18);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    float d = half(segment, from);
    for (int i = 0; i < 16; i++) {
      int q = byteAt(segment, from + 2 + i);
      to[at + i] = d * ((q & 15) - 8);
      to[at + i + 16] = d * ((q >> 4) - 8);
    }
  }
}
