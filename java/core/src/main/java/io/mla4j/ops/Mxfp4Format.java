package io.mla4j.ops;

/**
 * ggml's MXFP4: 32 elements {@code 2^(e - 128) * DOUBLED[q]}. Bytes: e; nibbles as in {@link
 * Q40Format}, other than in safetensors ({@link F4Format}), where neighbours share a byte.
 */
final class Mxfp4Format extends CodedFormat {
  /** e2m1 times two. The zero of the negative ones has no sign. */
  static final byte[] DOUBLED = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

  Mxfp4Format() {
    super("MXFP4", 15, 32, 17, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = halfOfPower(byteAt(bytes, from));
    readSteps(bytes, from + 1, DOUBLED, to, at);
  }

  /** 2^(e - 128), of which the smallest two are subnormal. */
  private static float halfOfPower(int e) {
    return Float.intBitsToFloat(e < 2 ? 0x00200000 << e : e - 1 << 23);
  }
}
