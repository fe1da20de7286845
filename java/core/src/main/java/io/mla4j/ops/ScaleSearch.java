package io.mla4j.ops;

import java.util.Arrays;

/**
 * Scales that lose little: ggml's quantisers of K types try some steps around the obvious one and
 * keep the one with the least weighted square error. Every number is rounded to float32 where they
 * round it, so that files have the same bytes.
 */
final class ScaleSearch {
  /** Smaller magnitudes are zeros. */
  static final float NOTHING = 1e-15f;

  private static final int GROUP = 32;
  private static final int LARGEST = 15;
  private static final int TRIES = 20;

  private final float[] weights = new float[GROUP];
  private final byte[] tried = new byte[GROUP];
  private float minimum;

  /** The nearest whole number, halves to even. */
  static int nearest(float value) {
    return (int) Math.rint(value);
  }

  /** What {@link #withMinimum} found, 0 or more, to be subtracted. */
  float minimum() {
    return minimum;
  }

  /**
   * The scale of 32 elements {@code scale * q - minimum} with q in 0..15; weights of errors are |x|
   * + sqrt(mean of x^2).
   */
  float withMinimum(float[] x, int at, byte[] q, int to) {
    float squares = 0;
    for (int i = 0; i < GROUP; i++) {
      squares += x[at + i] * x[at + i];
    }
    float mean = (float) Math.sqrt(squares / GROUP);
    float min = x[at];
    float max = x[at];
    float sumW = 0;
    float sumX = 0;
    for (int i = 0; i < GROUP; i++) {
      float value = x[at + i];
      min = Math.min(min, value);
      max = Math.max(max, value);
      weights[i] = mean + Math.abs(value);
      sumW += weights[i];
      sumX += weights[i] * value;
    }
    min = Math.min(min, 0);
    minimum = -min;
    if (max == min) {
      Arrays.fill(q, to, to + GROUP, (byte) 0);
      return 0;
    }
    float inverse = LARGEST / (max - min);
    float scale = 1 / inverse;
    quantise(x, at, inverse, min, q, to);
    float best = error(x, at, scale, min, q, to);
    for (int step = 0; step <= TRIES; step++) {
      inverse = (-1 + 0.1f * step + LARGEST) / (max - min);
      quantise(x, at, inverse, min, tried, 0);
      float sumL = 0;
      float sumL2 = 0;
      float sumXl = 0;
      for (int i = 0; i < GROUP; i++) {
        int l = tried[i];
        float w = weights[i];
        sumL += w * l;
        sumL2 += w * l * l;
        sumXl += w * l * x[at + i];
      }
      float determinant = sumW * sumL2 - sumL * sumL;
      if (determinant > 0) {
        float newScale = (sumW * sumXl - sumX * sumL) / determinant;
        float newMin = (sumL2 * sumX - sumL * sumXl) / determinant;
        if (newMin > 0) {
          newMin = 0;
          newScale = sumXl / sumL2;
        }
        float error = error(x, at, newScale, newMin, tried, 0);
        if (error < best) {
          System.arraycopy(tried, 0, q, to, GROUP);
          best = error;
          scale = newScale;
          min = newMin;
        }
      }
    }
    minimum = -min;
    return scale;
  }

  private static void quantise(float[] x, int at, float inverse, float min, byte[] q, int to) {
    for (int i = 0; i < GROUP; i++) {
      q[to + i] = (byte) Math.clamp(nearest(inverse * (x[at + i] - min)), 0, LARGEST);
    }
  }

  private float error(float[] x, int at, float scale, float min, byte[] q, int from) {
    float sum = 0;
    for (int i = 0; i < GROUP; i++) {
      float difference = scale * q[from + i] + min - x[at + i];
      sum += weights[i] * (difference * difference);
    }
    return sum;
  }

  /**
   * The scale, of either sign, of 16 elements {@code scale * (q - 32)} with q in 0..63; weights of
   * errors are x^2.
   */
  static float signed(float[] x, int at, byte[] q, int to) {
    float max = BlockFormat.extreme(x, at, 16);
    if (Math.abs(max) < NOTHING) {
      Arrays.fill(q, to, to + 16, (byte) 0);
      return 0;
    }
    Fit fit = new Fit();
    fit.make(x, at, -32 / max);
    float scale = fit.squares == 0 ? 0 : fit.products / fit.squares;
    float best = scale * fit.products;
    float inverse = -32 / max;
    for (int step = -9; step <= 9; step++) {
      if (step == 0) {
        continue;
      }
      float other = -(32 + 0.1f * step) / max;
      fit.make(x, at, other);
      if (fit.squares > 0 && fit.products * fit.products > best * fit.squares) {
        inverse = other;
        scale = fit.products / fit.squares;
        best = scale * fit.products;
      }
    }
    for (int i = 0; i < 16; i++) {
      q[to + i] = (byte) (32 + Fit.whole(inverse * x[at + i]));
    }
    return scale;
  }

  /** Sums over 16 elements. */
  private static final class Fit {
    float products;
    float squares;

    static int whole(float value) {
      return Math.clamp(nearest(value), -32, 31);
    }

    void make(float[] x, int at, float inverse) {
      products = 0;
      squares = 0;
      for (int i = at; i < at + 16; i++) {
        int l = whole(inverse * x[i]);
        float w = x[i] * x[i];
        products += w * x[i] * l;
        squares += w * l * l;
      }
    }
  }
}
