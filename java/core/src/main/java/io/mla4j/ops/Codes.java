package io.mla4j.ops;

import java.util.Arrays;

/**
 * A run of a row as integers under scales: element i is {@code scales[i / run] * codes[i]}, plus
 * {@code minima[i / run]} where {@link Coding#hasMinima}. The arrays only grow. Not thread-safe.
 */
public final class Codes {
  private byte[] codes = {};
  private float[] scales = {};
  private float[] minima = {};

  /** Without elements. */
  public Codes() {}

  /** Makes room for n elements, in whole blocks of {@link Int8#BLOCK}. */
  public Codes reserve(int n) {
    int padded = Math.ceilDiv(n, Int8.BLOCK) * Int8.BLOCK;
    if (codes.length < padded) {
      codes = Arrays.copyOf(codes, padded);
      scales = Arrays.copyOf(scales, padded / Coding.SHORTEST_RUN);
      minima = Arrays.copyOf(minima, padded / Coding.SHORTEST_RUN);
    }
    return this;
  }

  /** Signed ones; those of formats with minima are at least 0. */
  public byte[] codes() {
    return codes;
  }

  /** One of each run. */
  public float[] scales() {
    return scales;
  }

  /** One of each run; unspecified where the format has none. */
  public float[] minima() {
    return minima;
  }

  /** Elements {@code [0, n)} as float32, each product rounded. */
  void widen(Coding coding, int n, float[] to, int at) {
    int length = coding.run();
    for (int begin = 0; begin < n; begin += length) {
      float scale = scales[begin / length];
      int end = Math.min(n, begin + length);
      for (int i = begin; i < end; i++) {
        to[at + i] = scale * codes[i];
      }
      if (coding.hasMinima()) {
        float minimum = minima[begin / length];
        for (int i = begin; i < end; i++) {
          to[at + i] += minimum;
        }
      }
    }
  }
}
