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
    byte[] run = Scratch.ofThread().bytes();
    for (int begin = 0; begin < n; begin += run.length) {
      int count = Math.min(run.length, n - begin);
      MemorySegment.copy(segment, JAVA_BYTE, offset + begin, run, 0, count);
      for (int i = 0; i < count; i++) {
        to[at + begin + i] = run[i];
      }
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
    byte[] run = Scratch.ofThread().bytes();
    for (int begin = 0; begin < n; begin += run.length) {
      int count = Math.min(run.length, n - begin);
      for (int i = 0; i < count; i++) {
        float code = Math.clamp((float) Math.rint(from[at + begin + i]), -LARGEST, LARGEST);
        run[i] = (byte) code;
      }
      MemorySegment.copy(run, 0, segment, JAVA_BYTE, offset + begin, count);
    }
  }

  @Override
  public float latentScale(float largest, boolean isNegative) {
    return largest / LARGEST;
  }
}
