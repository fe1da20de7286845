package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** A signed byte, as an element of a weight with scales. */
final class I8Format extends StorageFormat {
  I8Format() {
    super("I8", 17, 1, 1);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i++) {
      to[at + i] = segment.get(JAVA_BYTE, offset + i);
    }
  }

  @Override
  public Coding coding() {
    return Coding.SIGNED;
  }

  @Override
  public void codes(MemorySegment segment, long offset, Codes to, int at, int n) {
    to.reserve(at + n);
    MemorySegment.copy(segment, JAVA_BYTE, offset, to.codes(), at, n);
    Arrays.fill(to.scales(), at / 32, Math.ceilDiv(at + n, 32), 1);
  }
}
