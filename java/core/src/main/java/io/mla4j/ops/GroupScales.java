package io.mla4j.ops;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

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

  /** Writes the scales and minima of all eight groups. */
  static void write(MemorySegment segment, long to, int[] scales, int[] mins) {
    for (int group = 0; group < 4; group++) {
      int scale = scales[group] | scales[group + 4] >> 4 << 6;
      int min = mins[group] | mins[group + 4] >> 4 << 6;
      int low = scales[group + 4] & 15 | (mins[group + 4] & 15) << 4;
      segment.set(JAVA_BYTE, to + group, (byte) scale);
      segment.set(JAVA_BYTE, to + group + 4, (byte) min);
      segment.set(JAVA_BYTE, to + group + 8, (byte) low);
    }
  }
}
