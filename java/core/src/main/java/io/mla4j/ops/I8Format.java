package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** A signed byte, as an element of a weight or a latent with scales. */
final class I8Format extends StorageFormat {
  /** Of what is written: a range without -128 is the same on both sides. */
  private static final float LARGEST = 127;

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

  @Override
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    for (int i = 0; i < n; i++) {
      float code = Math.clamp((float) Math.rint(from[at + i]), -LARGEST, LARGEST);
      segment.set(JAVA_BYTE, offset + i, (byte) code);
    }
  }

  @Override
  public float latentScale(float largest, boolean isNegative) {
    return largest / LARGEST;
  }
}
