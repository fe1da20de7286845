package io.mla4j.ops;

/**
 * ggml's IQ4_XS: 256 elements in 8 groups of 32, {@code d * (scale - 32) * VALUES[q]} with the
 * table of {@link Iq4NlFormat}. Bytes: d binary16; 2 and 4 of scales, of which group g has the bits
 * 2 g of the short and nibble g of the bytes; for each group 16 of nibbles as in {@link Q40Format}.
 */
final class Iq4XsFormat extends CodedFormat {
  Iq4XsFormat() {
    super("IQ4_XS", 14, 256, 136, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    float d = half(bytes, from);
    int highs = shortAt(bytes, from + 2);
    for (int group = 0; group < 8; group++) {
      int low = byteAt(bytes, from + 4 + group / 2) >> group % 2 * 4 & 15;
      to.scales()[at / 32 + group] = d * ((low | (highs >> 2 * group & 3) << 4) - 32);
      readSteps(bytes, from + 8 + 16 * group, Iq4NlFormat.VALUES, to, at + 32 * group);
    }
  }
}
