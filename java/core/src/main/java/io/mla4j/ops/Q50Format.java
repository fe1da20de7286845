package io.mla4j.ops;

/**
 * ggml's Q5_0: 32 elements {@code d * (q - 16)}. Bytes: d binary16; an int with bit 4 of q of
 * element i in its bit i; nibbles as in {@link Q40Format}.
 */
final class Q50Format extends CodedFormat {
  Q50Format() {
    super("Q5_0", 5, 32, 22, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = half(bytes, from);
    readNibbles(bytes, from + 6, 16, to, at);
    addFifthBits(intAt(bytes, from + 2), to, at);
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    float d = extreme(from, at, 32) / -16;
    float inverse = inverse(d);
    byte[] q = new byte[32];
    for (int i = 0; i < 32; i++) {
      q[i] = (byte) Math.min(31, (int) (from[at + i] * inverse + 16.5f));
    }
    setHalf(bytes, to, d);
    setInt(bytes, to + 2, fifthBits(q));
    setNibbles(q, 0, 32, bytes, to + 6);
  }

  /** Adds 16 times bit i to the code of element i. */
  static void addFifthBits(int bits, Codes to, int at) {
    for (int i = 0; i < 32; i++) {
      to.codes()[at + i] += (byte) ((bits >>> i & 1) << 4);
    }
  }

  /** Bit 4 of q[i] in bit i. */
  static int fifthBits(byte[] q) {
    int bits = 0;
    for (int i = 0; i < 32; i++) {
      bits |= (q[i] >> 4 & 1) << i;
    }
    return bits;
  }
}
