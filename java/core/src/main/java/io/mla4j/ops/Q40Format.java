package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * ggml's Q4_0: 32 elements {@code d * (q - 8)}. Bytes: d binary16; 16 of nibbles, of which byte i
 * holds q of element i in its low and of element i + 16 in its high one.
 */
final class Q40Format extends CodedFormat {
  Q40Format() {
    super("Q4_0", 3, 32, 18, Coding.SIGNED);
  }

  @Override
  void readBlock(MemorySegment segment, long from, Codes to, int at) {
    to.scales()[at / 32] = half(segment, from);
    readNibbles(segment, from + 2, 8, to, at);
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
