package io.mla4j.ops;

/**
 * ggml's IQ4_NL: 32 elements {@code d * VALUES[q]}. Bytes: d binary16; nibbles as in {@link
 * Q40Format}.
 */
final class Iq4NlFormat extends CodedFormat {
  /** What a nibble stands for: steps that are small near zero. */
  static final byte[] VALUES = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  Iq4NlFormat() {
    super("IQ4_NL", 13, 32, 18, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = half(bytes, from);
    readSteps(bytes, from + 2, VALUES, to, at);
  }
}
