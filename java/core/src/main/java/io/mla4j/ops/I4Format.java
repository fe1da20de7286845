package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * Four-bit integers of compressed-tensors' pack-quantized: eight elements {@code q - 8} in an int,
 * the first in its lowest bits.
 */
final class I4Format extends BlockFormat {
  I4Format() {
    super("I4", 18, 8, 4);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    int word = segment.get(JAVA_INT_UNALIGNED, from);
    for (int i = 0; i < 8; i++) {
      to[at + i] = (word >>> 4 * i & 15) - 8;
    }
  }
}
