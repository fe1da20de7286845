package io.mla4j.ops;

/**
 * ggml's Q4_1: 32 elements {@code d * q + m}, the product rounded. Bytes: d and m binary16; nibbles
 * as in {@link Q40Format}.
 */
final class Q41Format extends CodedFormat {
  Q41Format() {
    super("Q4_1", 4, 32, 20, Coding.WITH_MINIMA);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = half(bytes, from);
    to.minima()[at / 32] = half(bytes, from + 2);
    readNibbles(bytes, from + 4, 0, to, at);
  }
}
