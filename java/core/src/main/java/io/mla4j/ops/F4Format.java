package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/** A 4-bit float (OCP E2M1), two in a byte, the first in its low nibble. A zero has no sign. */
final class F4Format extends BlockFormat {
  private static final float[] VALUES = {
    0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6
  };

  F4Format() {
    super("F4", 19, 2, 1);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    int q = byteAt(segment, from);
    to[at] = VALUES[q & 15];
    to[at + 1] = VALUES[q >> 4];
  }
}
