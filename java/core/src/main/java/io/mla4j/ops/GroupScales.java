package io.mla4j.ops;

/** The scales and minima of Q4_K and Q5_K: six bits each for eight groups, in twelve bytes. */
final class GroupScales {
  private GroupScales() {}

  /** The scale of {@code group} in the twelve bytes at {@code from}. */
  static int scale(byte[] bytes, int from, int group) {
    if (group < 4) {
      return BlockFormat.byteAt(bytes, from + group) & 63;
    }
    return BlockFormat.byteAt(bytes, from + group + 4) & 15
        | BlockFormat.byteAt(bytes, from + group - 4) >> 6 << 4;
  }

  /** The minimum of {@code group}. */
  static int min(byte[] bytes, int from, int group) {
    if (group < 4) {
      return BlockFormat.byteAt(bytes, from + group + 4) & 63;
    }
    return BlockFormat.byteAt(bytes, from + group + 4) >> 4
        | BlockFormat.byteAt(bytes, from + group) >> 6 << 4;
  }

  /** Writes the scales and minima of all eight groups. */
  static void write(byte[] bytes, int to, int[] scales, int[] mins) {
    for (int group = 0; group < 4; group++) {
      int scale = scales[group] | scales[group + 4] >> 4 << 6;
      int min = mins[group] | mins[group + 4] >> 4 << 6;
      int low = scales[group + 4] & 15 | (mins[group + 4] & 15) << 4;
      bytes[to + group] = (byte) scale;
      bytes[to + group + 4] = (byte) min;
      bytes[to + group + 8] = (byte) low;
    }
  }
}
