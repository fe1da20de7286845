package io.mla4j.ops;

/**
 * ggml's Q5_K: 256 elements in 8 groups of 32, {@code d * scale * q - dmin * min}. Bytes: d, dmin
 * and scales as in {@link Q4KFormat}; 32 of high bits, where bit j of byte i is bit 4 of q of
 * element 32 j + i; 128 of nibbles.
 */
final class Q5KFormat extends CodedFormat {
  Q5KFormat() {
    super("Q5_K", 11, 256, 176, Coding.WITH_MINIMA);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    float d = half(bytes, from);
    float dmin = half(bytes, from + 2);
    for (int group = 0; group < 8; group++) {
      to.scales()[at / 32 + group] = d * GroupScales.scale(bytes, from + 4, group);
      to.minima()[at / 32 + group] = -(dmin * GroupScales.min(bytes, from + 4, group));
      int nibbles = from + 48 + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int i = 0; i < 32; i++) {
        int low = byteAt(bytes, nibbles + i) >> shift & 15;
        int high = byteAt(bytes, from + 16 + i) >> group & 1;
        to.codes()[at + 32 * group + i] = (byte) (low | high << 4);
      }
    }
  }
}
