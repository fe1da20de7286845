package io.mla4j.ops;

/**
 * ggml's Q4_K: 256 elements in 8 groups of 32, {@code d * scale * q - dmin * min}. Bytes: d and
 * dmin binary16; 12 of scales and minima; 128 of nibbles, where the low one of byte 32 g + i
 * belongs to element 64 g + i and the high one to element 64 g + 32 + i.
 */
final class Q4KFormat extends CodedFormat {
  Q4KFormat() {
    super("Q4_K", 10, 256, 144, Coding.WITH_MINIMA);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    float d = half(bytes, from);
    float dmin = half(bytes, from + 2);
    for (int group = 0; group < 8; group++) {
      to.scales()[at / 32 + group] = d * GroupScales.scale(bytes, from + 4, group);
      to.minima()[at / 32 + group] = -(dmin * GroupScales.min(bytes, from + 4, group));
      int q = from + 16 + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int i = 0; i < 32; i++) {
        to.codes()[at + 32 * group + i] = (byte) (byteAt(bytes, q + i) >> shift & 15);
      }
    }
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    float[] scales = new float[8];
    float[] mins = new float[8];
    byte[] q = new byte[256];
    ScaleSearch search = new ScaleSearch();
    float maxScale = 0;
    float maxMin = 0;
    for (int group = 0; group < 8; group++) {
      scales[group] = search.withMinimum(from, at + 32 * group, q, 32 * group);
      mins[group] = search.minimum();
      maxScale = Math.max(maxScale, scales[group]);
      maxMin = Math.max(maxMin, mins[group]);
    }
    setHalf(bytes, to, maxScale / 63);
    setHalf(bytes, to + 2, maxMin / 63);
    GroupScales.write(bytes, to + 4, sixBits(scales, maxScale), sixBits(mins, maxMin));
    float d = half(bytes, to);
    float dmin = half(bytes, to + 2);
    for (int group = 0; group < 8; group++) {
      float scale = d * GroupScales.scale(bytes, to + 4, group);
      float min = dmin * GroupScales.min(bytes, to + 4, group);
      for (int i = 32 * group; scale != 0 && i < 32 * group + 32; i++) {
        q[i] = (byte) Math.clamp(ScaleSearch.nearest((from[at + i] + min) / scale), 0, 15);
      }
    }
    for (int pair = 0; pair < 4; pair++) {
      setNibbles(q, 64 * pair, 64, bytes, to + 16 + 32 * pair);
    }
  }

  private static int[] sixBits(float[] values, float largest) {
    float inverse = largest > 0 ? 63 / largest : 0;
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Math.min(63, ScaleSearch.nearest(inverse * values[i]));
    }
    return bits;
  }
}
