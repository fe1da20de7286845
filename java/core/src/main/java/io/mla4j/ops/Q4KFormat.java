package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * ggml's Q4_K: 256 elements in 8 groups of 32, {@code d * scale * q - dmin * min}. Bytes: d and
 * dmin binary16; 12 of scales and minima; 128 of nibbles, where the low one of byte 32 g + i
 * belongs to element 64 g + i and the high one to element 64 g + 32 + i.
 */
final class Q4KFormat extends BlockFormat {
  Q4KFormat() {
    super("Q4_K", 10, 256, 144);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    float d = half(segment, from);
    float dmin = half(segment, from + 2);
    for (int group = 0; group < 8; group++) {
      float scale = d * GroupScales.scale(segment, from + 4, group);
      float min = dmin * GroupScales.min(segment, from + 4, group);
      long q = from + 16 + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int i = 0; i < 32; i++) {
        to[at + 32 * group + i] = scale * (byteAt(segment, q + i) >> shift & 15) - min;
      }
    }
  }
}
