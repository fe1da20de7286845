package io.mla4j.ops;

/**
 * ggml's Q5_1: 32 elements {@code d * q + m}, the product rounded. Bytes: d and m binary16; high
 * bits and nibbles as in {@link Q50Format}.
 */
final class Q51Format extends CodedFormat {
  Q51Format() {
    super("Q5_1", 6, 32, 24, Coding.WITH_MINIMA);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = half(bytes, from);
    to.minima()[at / 32] = half(bytes, from + 2);
    readNibbles(bytes, from + 8, 0, to, at);
    Q50Format.addFifthBits(intAt(bytes, from + 4), to, at);
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    float min = from[at];
    float max = from[at];
    for (int i = 1; i < 32; i++) {
      min = Math.min(min, from[at + i]);
      max = Math.max(max, from[at + i]);
    }
    float d = (max - min) / 31;
    float inverse = inverse(d);
    byte[] q = new byte[32];
    for (int i = 0; i < 32; i++) {
      q[i] = (byte) ((from[at + i] - min) * inverse + 0.5f);
    }
    setHalf(bytes, to, d);
    setHalf(bytes, to + 2, min);
    setInt(bytes, to + 4, Q50Format.fifthBits(q));
    setNibbles(q, 0, 32, bytes, to + 8);
  }
}
