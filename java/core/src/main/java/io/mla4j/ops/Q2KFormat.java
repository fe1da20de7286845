package io.mla4j.ops;

/**
 * ggml's Q2_K: 256 elements in 16 groups of 16, {@code d * scale * q - dmin * min}. Bytes: 16 with
 * scale in the low and min in the high nibble; 64 of q, where bits 2 s of byte 32 h + i belong to
 * element 128 h + 32 s + i; d and dmin binary16.
 */
final class Q2KFormat extends CodedFormat {
  Q2KFormat() {
    super("Q2_K", 8, 256, 84, Coding.WITH_MINIMA_16);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    float d = half(bytes, from + 80);
    float dmin = half(bytes, from + 82);
    for (int group = 0; group < 16; group++) {
      int both = byteAt(bytes, from + group);
      to.scales()[at / 16 + group] = d * (both & 15);
      to.minima()[at / 16 + group] = -(dmin * (both >> 4));
      int q = from + 16 + group / 8 * 32 + group % 2 * 16;
      int shift = group / 2 % 4 * 2;
      for (int i = 0; i < 16; i++) {
        to.codes()[at + 16 * group + i] = (byte) (byteAt(bytes, q + i) >> shift & 3);
      }
    }
  }
}
