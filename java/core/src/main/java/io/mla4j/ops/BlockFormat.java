package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

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

  /** The binary16 at {@code from}. */
  static float half(MemorySegment segment, long from) {
    return Float.float16ToFloat(segment.get(JAVA_SHORT_UNALIGNED, from));
  }

  /** The unsigned byte at {@code from}. */
  static int byteAt(MemorySegment segment, long from) {
    return segment.get(JAVA_BYTE, from) & 0xff;
  }
}
