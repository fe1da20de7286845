package io.mla4j.ops;

/**
 * ggml's Q4_0: 32 elements {@code d * (q - 8)}. Bytes: d binary16; 16 of nibbles, of which byte i
 * holds q of element i in its low and of element i + 16 in its high one.
 */
final class Q40Format extends CodedFormat {
  Q40Format() {
    super("Q4_0", 3, 32, 18, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = half(bytes, from);
    readNibbles(bytes, from + 2, 8, to, at);
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    float d = extreme(from, at, 32) / -8;
    float inverse = inverse(d);
    byte[] q = new byte[32];
    for (int i = 0; i < 32; i++) {
      q[i] = (byte) Math.min(15, (int) (from[at + i] * inverse + 8.5f));
    }
    setHalf(bytes, to, d);
    setNibbles(q, 0, 32, bytes, to + 2);
  }
}
