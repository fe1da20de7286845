package io.mla4j.ops;

/**
 * Four-bit integers of compressed-tensors' pack-quantized: eight elements {@code q - 8} in an int,
 * the first in its lowest bits.
 */
final class I4Format extends CodedFormat {
  I4Format() {
    super("I4", 18, 8, 4, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = 1;
    int word = intAt(bytes, from);
    for (int i = 0; i < 8; i++) {
      to.codes()[at + i] = (byte) ((word >>> 4 * i & 15) - 8);
    }
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    int word = 0;
    for (int i = 0; i < 8; i++) {
      int code = (int) Math.clamp((float) Math.rint(from[at + i]), -8f, 7f);
      word |= code + 8 << 4 * i;
    }
    setInt(bytes, to, word);
  }
}
