package io.mla4j.ops;

/**
 * ggml's Q3_K: 256 elements in 16 groups of 16, {@code d * (scale - 32) * (q - 4)}. Bytes: 32 of
 * high bits, where bit j of byte i is bit 2 of q of element 32 j + i; 64 of low bits as in {@link
 * Q2KFormat}; 12 of scales; d binary16.
 */
final class Q3KFormat extends CodedFormat {
  Q3KFormat() {
    super("Q3_K", 9, 256, 110, Coding.SIGNED_16);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    float d = half(bytes, from + 108);
    for (int group = 0; group < 16; group++) {
      to.scales()[at / 16 + group] = d * (scale(bytes, from + 96, group) - 32);
      int side = group % 2 * 16;
      int shift = group / 2 % 4 * 2;
      for (int i = 0; i < 16; i++) {
        int low = byteAt(bytes, from + 32 + group / 8 * 32 + side + i) >> shift & 3;
        int high = byteAt(bytes, from + side + i) >> group / 2 & 1;
        to.codes()[at + 16 * group + i] = (byte) ((low | high << 2) - 4);
      }
    }
  }

  /** Six bits: four in a nibble of the first eight bytes, two in the last four. */
  private static int scale(byte[] bytes, int from, int group) {
    int low = byteAt(bytes, from + group % 8) >> group / 8 * 4 & 15;
    int high = byteAt(bytes, from + 8 + group % 4) >> group / 4 * 2 & 3;
    return low | high << 4;
  }
}
