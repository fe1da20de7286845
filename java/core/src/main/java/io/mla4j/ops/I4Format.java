package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * Four-bit integers of compressed-tensors' pack-quantized: eight elements {@code q - 8} in an int,
 * the first in its lowest bits.
 */
final class I4Format extends CodedFormat {
  I4Format() {
    super("I4", 18, 8, 4, Coding.SIGNED);
  }

  @Override
  void readBlock(MemorySegment segment, long from, Codes to, int at) {
    to.scales()[at / 32] = 1;
    int word = segment.get(JAVA_INT_UNALIGNED, from);
    for (int i = 0; i < 8; i++) {
      to.codes()[at + i] = (byte) ((word >>> 4 * i & 15) - 8);
    }
  }

  @Override
  void narrowBlock(float[] from, int at, MemorySegment segment, long to) {
    int word = 0;
    for (int i = 0; i < 8; i++) {
      int code = (int) Math.clamp((float) Math.rint(from[at + i]), -8f, 7f);
      word |= code + 8 << 4 * i;
    }
    segment.set(JAVA_INT_UNALIGNED, to, word);
  }
}
