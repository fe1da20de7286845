package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * ggml's MXFP4: 32 elements {@code 2^(e - 128) * DOUBLED[q]}. Bytes: e; nibbles as in {@link
 * Q40Format}, other than in safetensors ({@link F4Format}), where neighbours share a byte.
 */
final class Mxfp4Format extends BlockFormat {
  /** e2m1 times two. The zero of the negative ones has no sign. */
  private static final float[] DOUBLED = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

  Mxfp4Format() {
    super("MXFP4", 15, 32, 17);
  }

  @Override
  void widenBlock(MemorySegment segment, long from, float[] to, int at) {
    float d = halfOfPower(byteAt(segment, from));
    for (int i = 0; i < 16; i++) {
      int q = byteAt(segment, from + 1 + i);
      to[at + i] = d * DOUBLED[q & 15];
      to[at + i + 16] = d * DOUBLED[q >> 4];
    }
  }

  /** 2^(e - 128), of which the smallest two are subnormal. */
  private static float halfOfPower(int e) {
    return Float.intBitsToFloat(e < 2 ? 0x00200000 << e : e - 1 << 23);
  }
}
