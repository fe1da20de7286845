package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * ggml's IQ4_NL: 32 elements {@code d * VALUES[q]}. Bytes: d binary16; nibbles as in {@link
 * Q40Format}.
 */
final class Iq4NlFormat extends BlockFormat {
  /** What a nibble stands for: steps that are small near zero. */
  static final float[] VALUES = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  Iq4NlFormat() {
    super("IQ4_NL", 13, 32, 18);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    float d = half(segment, from);
    for (int i = 0; i < 16; i++) {
      int q = byteAt(segment, from + 2 + i);
      to[at + i] = d * VALUES[q & 15];
      to[at + i + 16] = d * VALUES[q >> 4];
    }
  }
}
