package io.mla4j.ops;

import java.util.Arrays;

/**
 * ggml's Q6_K: 256 elements in 16 groups of 16, {@code d * scale * (q - 32)}. Bytes: 128 of
 * nibbles, where those of byte 64 h + i are low bits of the elements 128 h + i and 128 h + 64 + i;
 * 64 of high bits, where bits 2 s of byte 32 h + i belong to element 128 h + 32 s + i; 16 signed
 * scales; d binary16.
 */
final class Q6KFormat extends CodedFormat {
  Q6KFormat() {
    super("Q6_K", 12, 256, 210, Coding.SIGNED_16);
  }

  @Override
  void readBlock(byte[] bytes, int from, Codes to, int at) {
    float d = half(bytes, from + 208);
    for (int run = 0; run < 8; run++) {
      int half = run / 4;
      int quarter = run % 4;
      int nibbles = from + 64 * half + quarter % 2 * 32;
      int highs = from + 128 + 32 * half;
      for (int group = 2 * run; group < 2 * run + 2; group++) {
        to.scales()[at / 16 + group] = d * bytes[from + 192 + group];
      }
      for (int i = 0; i < 32; i++) {
        int low = byteAt(bytes, nibbles + i) >> quarter / 2 * 4 & 15;
        int high = byteAt(bytes, highs + i) >> 2 * quarter & 3;
        to.codes()[at + 32 * run + i] = (byte) ((low | high << 4) - 32);
      }
    }
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    float[] scales = new float[16];
    byte[] q = new byte[256];
    for (int group = 0; group < 16; group++) {
      scales[group] = ScaleSearch.signed(from, at + 16 * group, q, 16 * group);
    }
    float max = extreme(scales, 0, 16);
    if (Math.abs(max) < ScaleSearch.NOTHING) {
      Arrays.fill(bytes, to, to + blockBytes(), (byte) 0);
      return;
    }
    float inverse = -128 / max;
    setHalf(bytes, to + 208, 1 / inverse);
    float d = half(bytes, to + 208);
    for (int group = 0; group < 16; group++) {
      int whole = Math.min(127, ScaleSearch.nearest(inverse * scales[group]));
      bytes[to + 192 + group] = (byte) whole;
      float scale = d * (byte) whole;
      for (int i = 16 * group; scale != 0 && i < 16 * group + 16; i++) {
        q[i] = (byte) (32 + Math.clamp(ScaleSearch.nearest(from[at + i] / scale), -32, 31));
      }
    }
    for (int half = 0; half < 2; half++) {
      setNibbles(q, 128 * half, 128, bytes, to + 64 * half);
      for (int i = 0; i < 32; i++) {
        int first = 128 * half + i;
        int high = q[first] >> 4 | q[first + 32] >> 4 << 2;
        high |= q[first + 64] >> 4 << 4 | q[first + 96] >> 4 << 6;
        bytes[to + 128 + 32 * half + i] = (byte) high;
      }
    }
  }
}
