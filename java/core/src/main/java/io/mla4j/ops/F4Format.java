package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/** A 4-bit float (OCP E2M1), two in a byte, the first in its low nibble. A zero has no sign. */
final class F4Format extends CodedFormat {
  F4Format() {
    super("F4", 19, 2, 1, Coding.SIGNED);
  }

  @Override
  void readBlock(MemorySegment segment, long from, Codes to, int at) {
    to.scales()[at / 32] = 0.5f;
    int q = byteAt(segment, from);
    to.codes()[at] = Mxfp4Format.DOUBLED[q & 15];
    to.codes()[at + 1] = Mxfp4Format.DOUBLED[q >> 4];
  }
}
