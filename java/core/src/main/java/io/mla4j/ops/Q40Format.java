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

  @Override
  void narrowBlock(float[] from, int at, MemorySegment segment, long to) {
    float d = extreme(from, at, 32) / -8;
    float inverse = inverse(d);
    byte[] q = new byte[32];
    for (int i = 0; i < 32; i++) {
      q[i] = (byte) Math.min(15, (int) (from[at + i] * inverse + 8.5f));
    }
    setHalf(segment, to, d);
    setNibbles(q, 0, 32, segment, to + 2);
  }
}
