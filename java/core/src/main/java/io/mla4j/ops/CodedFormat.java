package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/** A format whose blocks are integers under scales. */
abstract class CodedFormat extends BlockFormat {
  private final Coding coding;

  CodedFormat(String name, int code, int blockElements, int blockBytes, Coding coding) {
    super(name, code, blockElements, blockBytes);
    this.coding = coding;
  }

  @Override
  public final Coding coding() {
    return coding;
  }

  /**
   * Reads a block.
   *
   * @param bytes {@code bytes[from .. from + blockBytes)}
   * @param at the place of its first element: its codes are written from there on, its scales and
   *     minima where that element's belong
   */
  abstract void readBlock(byte[] bytes, int from, Codes to, int at);

  @Override
  public final void codes(MemorySegment segment, long offset, Codes to, int at, int n) {
    to.reserve(at + (int) padded(n));
    byte[] bytes = Scratch.ofThread().bytes();
    int run = run(bytes);
    for (int begin = 0; begin < n; begin += run) {
      int count = Math.min(run, n - begin);
      load(segment, offset + bytes(begin), count, bytes);
      for (int i = 0; i < count; i += blockElements()) {
        readBlock(bytes, (int) bytes(i), to, at + begin + i);
      }
    }
  }

  @Override
  final void widenBlock(byte[] bytes, int from, float[] to, int at) {
    Codes block = Scratch.ofThread().codes(0, blockElements());
    readBlock(bytes, from, block, 0);
    block.widen(coding, blockElements(), to, at);
  }

  /** The 4-bit codes of 32 elements, those of i and i + 16 in byte i, less {@code zero}. */
  static void readNibbles(byte[] bytes, int from, int zero, Codes to, int at) {
    for (int i = 0; i < 16; i++) {
      int q = byteAt(bytes, from + i);
      to.codes()[at + i] = (byte) ((q & 15) - zero);
      to.codes()[at + i + 16] = (byte) ((q >> 4) - zero);
    }
  }

  /** The 4-bit codes of 32 elements as above, each standing for a number of {@code table}. */
  static void readSteps(byte[] bytes, int from, byte[] table, Codes to, int at) {
    for (int i = 0; i < 16; i++) {
      int q = byteAt(bytes, from + i);
      to.codes()[at + i] = table[q & 15];
      to.codes()[at + i + 16] = table[q >> 4];
    }
  }
}
