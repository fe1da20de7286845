package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;

/** ggml's Q8_0: 32 elements {@code d * q}. Bytes: d binary16; 32 signed q. */
final class Q80Format extends CodedFormat {
  Q80Format() {
    super("Q8_0", 7, 32, 34, Coding.SIGNED);
  }

  @Override
  void readBlock(MemorySegment segment, long from, Codes to, int at) {
    to.scales()[at / 32] = half(segment, from);
    MemorySegment.copy(segment, JAVA_BYTE, from + 2, to.codes(), at, 32);
  }

  @Override
  void narrowBlock(float[] from, int at, MemorySegment segment, long to) {
    float d = Math.abs(extreme(from, at, 32)) / 127;
    float inverse = inverse(d);
    setHalf(segment, to, d);
    for (int i = 0; i < 32; i++) {
      float scaled = from[at + i] * inverse;
      // halves away from zero
      int q = scaled < 0 ? -Math.round(-scaled) : Math.round(scaled);
      segment.set(JAVA_BYTE, to + 2 + i, (byte) q);
    }
  }
}
