package io.mla4j.ops;

/** A 4-bit float (OCP E2M1), two in a byte, the first in its low nibble. A zero has no sign. */
final class F4Format extends CodedFormat {
  F4Format() {
    super("F4", 19, 2, 1, Coding.SIGNED);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    to.scales()[at / 32] = 0.5f;
    int q = byteAt(bytes, from);
    to.codes()[at] = Mxfp4Format.DOUBLED[q & 15];
    to.codes()[at + 1] = Mxfp4Format.DOUBLED[q >> 4];
  }
}
