package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;

/** A format whose blocks are widened as a whole. Layouts: ggml's, see the class of each. */
abstract class BlockFormat extends StorageFormat {
  BlockFormat(String name, int code, int blockElements, int blockBytes) {
    super(name, code, blockElements, blockBytes);
  }

  /**
   * Reads the elements of the block that begins {@code from} bytes into the segment.
   *
   * @param to {@code to[at .. at + blockElements)} is written
   */
  abstract void widenBlock(MemorySegment segment, long from, float[] to, int at);

  @Override
  public final void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    int block = blockElements();
    int whole = n / block * block;
    for (int i = 0; i < whole; i += block) {
      widenBlock(segment, offset + bytes(i), to, at + i);
    }
    if (whole < n) {
      float[] last = new float[block];
      widenBlock(segment, offset + bytes(whole), last, 0);
      System.arraycopy(last, 0, to, at + whole, n - whole);
    }
  }

  /**
   * Writes a block, rounded as ggml's reference quantiser does it.
   *
   * @param from {@code from[at .. at + blockElements)} is read
   * @throws InvalidArgumentException where the format cannot be written
   */
  void narrowBlock(float[] from, int at, MemorySegment segment, long to) {
    super.narrow(from, at, blockElements(), segment, to);
  }

  @Override
  public final void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    if (n % blockElements() != 0) {
      throw new InvalidArgumentException(
          n + " elements are no whole blocks of " + blockElements() + ", as " + name() + " needs");
    }
    for (int i = 0; i < n; i += blockElements()) {
      narrowBlock(from, at + i, segment, offset + bytes(i));
    }
  }

  /** The element of the largest magnitude, the first of them. */
  static float extreme(float[] from, int at, int n) {
    float largest = 0;
    float extreme = 0;
    for (int i = at; i < at + n; i++) {
      if (Math.abs(from[i]) > largest) {
        largest = Math.abs(from[i]);
        extreme = from[i];
      }
    }
    return extreme;
  }

  /** 1 / d, or 0 where d is 0. */
  static float inverse(float d) {
    return d == 0 ? 0 : 1 / d;
  }

  static void setHalf(MemorySegment segment, long to, float value) {
    segment.set(JAVA_SHORT_UNALIGNED, to, Float.floatToFloat16(value));
  }

  /** Low nibbles of the first half of n numbers, high ones of the second, into n / 2 bytes. */
  static void setNibbles(byte[] q, int at, int n, MemorySegment segment, long to) {
    for (int i = 0; i < n / 2; i++) {
      segment.set(JAVA_BYTE, to + i, (byte) (q[at + i] & 15 | q[at + n / 2 + i] << 4));
    }
  }

  /** The binary16 at {@code from}. */
  static float half(MemorySegment segment, long from) {
    return Float.float16ToFloat(segment.get(JAVA_SHORT_UNALIGNED, from));
  }

  /** The unsigned byte at {@code from}. */
  static int byteAt(MemorySegment segment, long from) {
    return segment.get(JAVA_BYTE, from) & 0xff;
  }
}
