package io.mla4j.testkit;

import java.util.Arrays;

/**
 * What the oracle says about one result.
 *
 * @param values the exact values, dense
 * @param allowed the largest error of each
 * @param cosine the largest cosine distance of the whole as FlashMLA's tests measure it, {@code 1 -
 *     2 sum(ab) / sum(a^2 + b^2)}, or infinity
 * @param leastError the least error (root of the mean square) of a result that is rounded where it
 *     should be, or 0
 */
public record Expectation(
    String name, double[] values, double[] allowed, double cosine, double leastError) {
  /** A bound for each value. */
  static Expectation within(String name, double[] values, double[] allowed) {
    return new Expectation(name, values, allowed, Double.POSITIVE_INFINITY, 0);
  }

  /**
   * Errors of at most {@code 2e-6 * sqrt(k) * max|values|}: float32 arithmetic over k terms.
   *
   * @param size the largest root of a result's squared terms: what max|values| is about, unless all
   *     terms of a few results cancel
   */
  static Expectation float32(String name, double[] values, int k, double size) {
    double[] allowed = new double[values.length];
    Arrays.fill(allowed, float32(values, k, size));
    return within(name, values, allowed);
  }

  /** The bound of {@link #float32(String, double[], int, double)}. */
  static double float32(double[] values, int k, double size) {
    double largest = size;
    for (double v : values) {
      largest = Math.max(largest, Math.abs(v));
    }
    return 2e-6 * Math.sqrt(k) * largest;
  }

  /** Errors of at most {@code 2e-6 * max(1, |lse|)}. */
  static Expectation lse(String name, double[] values) {
    double[] allowed = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      allowed[i] = lseBound(values[i]);
    }
    return within(name, values, allowed);
  }

  static double lseBound(double lse) {
    return Double.isInfinite(lse) ? 0 : 2e-6 * Math.max(1, Math.abs(lse));
  }

  /** Exactly these. */
  static Expectation exact(String name, double[] values) {
    return within(name, values, new double[values.length]);
  }

  /** Null where {@code output} agrees, else what does not. */
  String difference(Output output) {
    if (output.values().length != values.length) {
      return name + " has " + output.values().length + " values instead of " + values.length;
    }
    int worst = -1;
    double worstRatio = 1;
    int wrong = 0;
    double products = 0;
    double squares = 0;
    double errors = 0;
    int asked = 0;
    for (int i = 0; i < values.length; i++) {
      if (!output.asked()[i]) {
        continue;
      }
      double actual = output.values()[i];
      double ratio = ratio(actual, values[i], allowed[i]);
      if (ratio > 1) {
        wrong++;
        if (ratio > worstRatio) {
          worst = i;
          worstRatio = ratio;
        }
      }
      if (Double.isFinite(values[i])) {
        products += 2 * actual * values[i];
        squares += actual * actual + values[i] * values[i];
        errors += (actual - values[i]) * (actual - values[i]);
        asked++;
      }
    }
    if (worst >= 0) {
      return name
          + "["
          + worst
          + "] is "
          + output.values()[worst]
          + ", but must be "
          + values[worst]
          + " +- "
          + allowed[worst]
          + " ("
          + wrong
          + " of "
          + values.length
          + " are wrong, this one by "
          + worstRatio
          + " times the tolerance)";
    }
    double distance = squares == 0 ? 0 : 1 - products / squares;
    if (distance > cosine) {
      return name + " has a cosine distance of " + distance + ", but " + cosine + " is allowed";
    }
    double error = Math.sqrt(errors / Math.max(1, asked));
    return asked == 0 || error >= leastError
        ? null
        : name
            + " has an error of only "
            + error
            + ", but with probabilities rounded to bf16 it is at least "
            + leastError;
  }

  /** Error over tolerance; NaN and infinities must be in the same places. */
  private static double ratio(double actual, double expected, double allowed) {
    if (Double.isNaN(expected) || Double.isInfinite(expected) || !Double.isFinite(actual)) {
      return Double.compare(actual, expected) == 0 ? 0 : Double.POSITIVE_INFINITY;
    }
    double error = Math.abs(actual - expected);
    return error == 0 ? 0 : error / allowed;
  }
}
