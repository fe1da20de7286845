package io.mla4j.model;

import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;
import java.util.Set;

/**
 * Weights in the block types of GGUF. Where mla4j writes a type, as it does; else by the largest
 * element of a group, which is worse than what people's files have, but the same for everybody who
 * reads the bytes.
 */
final class BlockWriter {
  private static final Set<String> WRITTEN =
      Set.of("F32", "F16", "BF16", "Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K");
  private static final int[] IQ4 = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  /** E2M1. */
  private static final float[] F4 = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

  private final StorageFormat format;
  private final float[] x;
  private final byte[] to;

  private BlockWriter(StorageFormat format, float[] x) {
    this.format = format;
    this.x = x;
    to = new byte[(int) format.bytes(x.length)];
  }

  /** The bytes of {@code x}, whose rows are whole blocks. */
  static byte[] write(StorageFormat format, float[] x) {
    BlockWriter writer = new BlockWriter(format, x);
    if (WRITTEN.contains(format.name())) {
      format.narrow(x, 0, x.length, MemorySegment.ofArray(writer.to), 0);
      return writer.to;
    }
    for (int block = 0; block < x.length / format.blockElements(); block++) {
      writer.block(block * format.blockElements(), block * format.blockBytes());
    }
    return writer.to;
  }

  private void block(int at, int b) {
    switch (format.name()) {
      case "Q4_1" -> q41(at, b);
      case "Q2_K" -> q2k(at, b);
      case "Q3_K" -> q3k(at, b);
      case "Q5_K" -> q5k(at, b);
      case "IQ4_NL" -> nibbles(at, b + 2, half(b, largest(at, 32) / 127));
      case "IQ4_XS" -> iq4xs(at, b);
      case "MXFP4" -> mxfp4(at, b);
      default -> throw new AssertionError(format.name());
    }
  }

  private float largest(int at, int n) {
    float largest = 0;
    for (int i = at; i < at + n; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
    }
    return largest;
  }

  private float[] range(int at, int n) {
    float[] range = {x[at], x[at]};
    for (int i = at; i < at + n; i++) {
      range[0] = Math.min(range[0], x[i]);
      range[1] = Math.max(range[1], x[i]);
    }
    return range;
  }

  /** Writes a binary16 and returns what was written. */
  private float half(int b, float value) {
    short bits = Float.floatToFloat16(value);
    to[b] = (byte) bits;
    to[b + 1] = (byte) (bits >> 8);
    return Float.float16ToFloat(bits);
  }

  private static int nearest(float value, float step, int least, int most) {
    return step == 0
        ? Math.clamp(0, least, most)
        : Math.clamp(Math.round(value / step), least, most);
  }

  private void or(int b, int bits) {
    to[b] |= (byte) bits;
  }

  private void q41(int at, int b) {
    float[] range = range(at, 32);
    float d = half(b, (range[1] - range[0]) / 15);
    float min = half(b + 2, range[0]);
    for (int i = 0; i < 32; i++) {
      or(b + 4 + i % 16, nearest(x[at + i] - min, d, 0, 15) << i / 16 * 4);
    }
  }

  /** Scales of groups and minima below zero, in units of the largest. */
  private record Groups(float[] scales, float[] minima) {
    float most(float[] values) {
      float most = 0;
      for (float value : values) {
        most = Math.max(most, value);
      }
      return most;
    }
  }

  private Groups groups(int at, int n, int steps) {
    int count = 256 / n;
    Groups groups = new Groups(new float[count], new float[count]);
    for (int g = 0; g < count; g++) {
      float[] range = range(at + n * g, n);
      groups.minima[g] = Math.max(0, -range[0]);
      groups.scales[g] = Math.max(0, range[1] + groups.minima[g]) / steps;
    }
    return groups;
  }

  private void q2k(int at, int b) {
    Groups groups = groups(at, 16, 3);
    float d = half(b + 80, groups.most(groups.scales) / 15);
    float dmin = half(b + 82, groups.most(groups.minima) / 15);
    for (int g = 0; g < 16; g++) {
      int scale = nearest(groups.scales[g], d, 0, 15);
      int min = nearest(groups.minima[g], dmin, 0, 15);
      or(b + g, scale | min << 4);
      for (int i = 0; i < 16; i++) {
        int q = nearest(x[at + 16 * g + i] + dmin * min, d * scale, 0, 3);
        or(b + 16 + g / 8 * 32 + g % 2 * 16 + i, q << g / 2 % 4 * 2);
      }
    }
  }

  private void q3k(int at, int b) {
    float d = half(b + 108, largest(at, 256) / 4 / 31);
    for (int g = 0; g < 16; g++) {
      int scale = nearest(largest(at + 16 * g, 16) / 4, d, 1, 31);
      int bits = scale + 32;
      or(b + 96 + g % 8, (bits & 15) << g / 8 * 4);
      or(b + 104 + g % 4, bits >> 4 << g / 4 * 2);
      for (int i = 0; i < 16; i++) {
        int q = nearest(x[at + 16 * g + i], d * scale, -4, 3) + 4;
        or(b + 32 + g / 8 * 32 + g % 2 * 16 + i, (q & 3) << g / 2 % 4 * 2);
        or(b + g % 2 * 16 + i, q >> 2 << g / 2);
      }
    }
  }

  private void q5k(int at, int b) {
    Groups groups = groups(at, 32, 31);
    float d = half(b, groups.most(groups.scales) / 63);
    float dmin = half(b + 2, groups.most(groups.minima) / 63);
    for (int g = 0; g < 8; g++) {
      int scale = nearest(groups.scales[g], d, 0, 63);
      int min = nearest(groups.minima[g], dmin, 0, 63);
      int s = b + 4;
      if (g < 4) {
        or(s + g, scale);
        or(s + g + 4, min);
      } else {
        or(s + g + 4, scale & 15 | (min & 15) << 4);
        or(s + g - 4, scale >> 4 << 6);
        or(s + g, min >> 4 << 6);
      }
      for (int i = 0; i < 32; i++) {
        int q = nearest(x[at + 32 * g + i] + dmin * min, d * scale, 0, 31);
        or(b + 48 + g / 2 * 32 + i, (q & 15) << g % 2 * 4);
        or(b + 16 + i, q >> 4 << g);
      }
    }
  }

  private void iq4xs(int at, int b) {
    float d = half(b, largest(at, 256) / 127 / 31);
    for (int g = 0; g < 8; g++) {
      int scale = nearest(largest(at + 32 * g, 32) / 127, d, 1, 31);
      int bits = scale + 32;
      or(b + 2 + g / 4, bits >> 4 << g % 4 * 2);
      or(b + 4 + g / 2, (bits & 15) << g % 2 * 4);
      nibbles(at + 32 * g, b + 8 + 16 * g, d * scale);
    }
  }

  private void nibbles(int at, int b, float d) {
    for (int i = 0; i < 32; i++) {
      int best = 0;
      for (int q = 1; q < 16; q++) {
        if (Math.abs(x[at + i] - d * IQ4[q]) < Math.abs(x[at + i] - d * IQ4[best])) {
          best = q;
        }
      }
      or(b + i % 16, best << i / 16 * 4);
    }
  }

  private void mxfp4(int at, int b) {
    float largest = largest(at, 32);
    int exponent = largest == 0 ? -100 : Math.getExponent(largest / 6) + 1;
    float unit = Math.scalb(1f, exponent);
    to[b] = (byte) (exponent + 127);
    for (int i = 0; i < 32; i++) {
      float size = Math.abs(x[at + i]) / unit;
      int best = 0;
      for (int q = 1; q < 8; q++) {
        best = Math.abs(size - F4[q]) < Math.abs(size - F4[best]) ? q : best;
      }
      or(b + 1 + i % 16, (best | (x[at + i] < 0 ? 8 : 0)) << i / 16 * 4);
    }
  }

  /** Whether rows of {@code columns} elements are whole blocks. */
  static boolean fits(StorageFormat format, long columns) {
    return columns % format.blockElements() == 0;
  }

  /** The relative error of the numbers that {@code bytes} stand for, root of the mean square. */
  static double error(StorageFormat format, float[] x, byte[] bytes) {
    float[] read = new float[x.length];
    format.widen(MemorySegment.ofArray(bytes), 0, read, 0, x.length);
    double errors = 0;
    for (int i = 0; i < x.length; i++) {
      errors += (read[i] - x[i]) * (double) (read[i] - x[i]);
    }
    double squares = 0;
    for (float value : x) {
      squares += value * (double) value;
    }
    return Math.sqrt(errors / squares);
  }
}
