package io.mla4j.ops;

/** ggml's Q8_0: 32 elements {@code d * q}. Bytes: d binary16; 32 signed q. */
final class Q80Format extends CodedFormat {
  Q80Format() {
    super("Q8_0", 7, 32, 34, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = half(bytes, from);
    System.arraycopy(bytes, from + 2, to.codes(), at, 32);
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    float d = Math.abs(extreme(from, at, 32)) / 127;
    float inverse = inverse(d);
    setHalf(bytes, to, d);
    for (int i = 0; i < 32; i++) {
      float scaled = from[at + i] * inverse;
      // halves away from zero
      int q = scaled < 0 ? -Math.round(-scaled) : Math.round(scaled);
      bytes[to + 2 + i] = (byte) q;
    }
  }
}
