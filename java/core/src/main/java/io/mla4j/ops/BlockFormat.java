package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;

/** A format whose blocks are widened as a whole. Layouts: ggml's, see the class of each. */
abstract class BlockFormat extends StorageFormat {
  BlockFormat(String name, int code, int blockElements, int blockBytes) {
    super(name, code, blockElements, blockBytes);
  }

  /**
   * How many elements are read from memory at once: of so many blocks as the bytes have room for.
   */
  final int run(byte[] bytes) {
    return bytes.length / blockBytes() * blockElements();
  }

  /** Copies the blocks of n elements that begin {@code offset} bytes into the segment. */
  final void load(MemorySegment segment, long offset, int n, byte[] bytes) {
    int size = Math.ceilDiv(n, blockElements()) * blockBytes();
    MemorySegment.copy(segment, JAVA_BYTE, offset, bytes, 0, size);
  }

  /**
   * Reads the elements of a block.
   *
   * @param bytes {@code bytes[from .. from + blockBytes)}
   * @param to {@code to[at .. at + blockElements)} is written
   */
  abstract void widenBlock(byte[] bytes, int from, float[] to, int at);

  @Override
  public final void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    byte[] bytes = Scratch.ofThread().bytes();
    int run = run(bytes);
    for (int begin = 0; begin < n; begin += run) {
      int count = Math.min(run, n - begin);
      load(segment, offset + bytes(begin), count, bytes);
      int whole = count / blockElements() * blockElements();
      for (int i = 0; i < whole; i += blockElements()) {
        widenBlock(bytes, (int) bytes(i), to, at + begin + i);
      }
      if (whole < count) {
        float[] last = new float[blockElements()];
        widenBlock(bytes, (int) bytes(whole), last, 0);
        System.arraycopy(last, 0, to, at + begin + whole, count - whole);
      }
    }
  }

  /**
   * Writes a block, rounded as ggml's reference quantiser does it.
   *
   * @param from {@code from[at .. at + blockElements)} is read
   * @param bytes {@code bytes[to .. to + blockBytes)} is written
   */
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    throw cannotBeStored();
  }

  @Override
  public final void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    if (n % blockElements() != 0) {
      throw new InvalidArgumentException(
          n + " elements are no whole blocks of " + blockElements() + ", as " + name() + " needs");
    }
    byte[] block = new byte[blockBytes()];
    for (int i = 0; i < n; i += blockElements()) {
      narrowBlock(from, at + i, block, 0);
      MemorySegment.copy(block, 0, segment, JAVA_BYTE, offset + bytes(i), block.length);
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

  /** Low nibbles of the first half of n numbers, high ones of the second, into n / 2 bytes. */
  static void setNibbles(byte[] q, int at, int n, byte[] bytes, int to) {
    for (int i = 0; i < n / 2; i++) {
      bytes[to + i] = (byte) (q[at + i] & 15 | q[at + n / 2 + i] << 4);
    }
  }

  /** Writes {@code value} as a binary16. */
  static void setHalf(byte[] bytes, int to, float value) {
    short bits = Float.floatToFloat16(value);
    bytes[to] = (byte) bits;
    bytes[to + 1] = (byte) (bits >> 8);
  }

  /** Writes four bytes. */
  static void setInt(byte[] bytes, int to, int value) {
    for (int i = 0; i < 4; i++) {
      bytes[to + i] = (byte) (value >> 8 * i);
    }
  }

  /** The binary16 at {@code from}. */
  static float half(byte[] bytes, int from) {
    return Float.float16ToFloat(shortAt(bytes, from));
  }

  /** The two bytes at {@code from}. */
  static short shortAt(byte[] bytes, int from) {
    return (short) (byteAt(bytes, from) | byteAt(bytes, from + 1) << 8);
  }

  /** The four bytes at {@code from}. */
  static int intAt(byte[] bytes, int from) {
    return shortAt(bytes, from) & 0xffff | shortAt(bytes, from + 2) << 16;
  }

  /** The unsigned byte at {@code from}. */
  static int byteAt(byte[] bytes, int from) {
    return bytes[from] & 0xff;
  }
}
