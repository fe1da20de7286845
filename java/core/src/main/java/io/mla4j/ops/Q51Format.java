package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * ggml's Q5_1: 32 elements {@code d * q + m}, the product rounded. Bytes: d and m binary16; high
 * bits and nibbles as in {@link Q50Format}.
 */
final class Q51Format extends CodedFormat {
  Q51Format() {
    super("Q5_1", 6, 32, 24, Coding.WITH_MINIMA);
  }

  @Override
  void readBlock(MemorySegment segment, long from, Codes to, int at) {
    to.scales()[at / 32] = half(segment, from);
    to.minima()[at / 32] = half(segment, from + 2);
    readNibbles(segment, from + 8, 0, to, at);
    Q50Format.addFifthBits(segment.get(JAVA_INT_UNALIGNED, from + 4), to, at);
  }

  @Override
  void narrowBlock(float[] from, int at, MemorySegment segment, long to) {
    float min = from[at];
    float max = from[at];
    for (int i = 1; i < 32; i++) {
      min = Math.min(min, from[at + i]);
      max = Math.max(max, from[at + i]);
    }
    float d = (max - min) / 31;
    float inverse = inverse(d);
    byte[] q = new byte[32];
    for (int i = 0; i < 32; i++) {
      q[i] = (byte) ((from[at + i] - min) * inverse + 0.5f);
    }
    setHalf(segment, to, d);
    setHalf(segment, to + 2, min);
    segment.set(JAVA_INT_UNALIGNED, to + 4, Q50Format.fifthBits(q));
    setNibbles(q, 0, 32, segment, to + 8);
  }
}
