package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/** The scales and minima of Q4_K and Q5_K: six bits each for eight groups, in twelve bytes. */
final class GroupScales {
  private GroupScales() {}

  /** The scale of {@code group} in the twelve bytes at {@code from}. */
  static int scale(MemorySegment segment, long from, int group) {
    if (group < 4) {
      return BlockFormat.byteAt(segment, from + group) & 63;
    }
    return BlockFormat.byteAt(segment, from + group + 4) & 15
        | BlockFormat.byteAt(segment, from + group - 4) >> 6 << 4;
  }

  /** The minimum of {@code group}. */
  static int min(MemorySegment segment, long from, int group) {
    if (group < 4) {
      return BlockFormat.byteAt(segment, from + group + 4) & 63;
    }
    return BlockFormat.byteAt(segment, from + group + 4) >> 4
        | BlockFormat.byteAt(segment, from + group) >> 6 << 4;
  }
}
