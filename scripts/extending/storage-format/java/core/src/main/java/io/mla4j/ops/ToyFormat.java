package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** 32 elements {@code d * q}. Bytes: d binary32; 32 signed q. */
final class ToyFormat extends CodedFormat {
  ToyFormat() {
    super("TOY", 99, 32, 36, Coding.SIGNED);
  }

  @Override
  void readBlock(MemorySegment segment, long from, Codes to, int at) {
    to.scales()[at / 32] = segment.get(JAVA_FLOAT_UNALIGNED, from);
    MemorySegment.copy(segment, JAVA_BYTE, from + 4, to.codes(), at, 32);
  }
}
