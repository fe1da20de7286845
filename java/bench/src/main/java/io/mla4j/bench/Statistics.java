package io.mla4j.bench;

import java.util.Arrays;

/** Median and spread of samples. */
final class Statistics {
  /** What the median absolute deviation of normal samples is multiplied with to give sigma. */
  static final double MAD_TO_SIGMA = 1.4826;

  /** Samples are noisy where their sigma is a larger part of their median. */
  static final double NOISY = 0.05;

  private Statistics() {}

  /** The middle one, or the mean of the two in the middle; NaN without samples. */
  static double median(double... samples) {
    if (samples.length == 0) {
      return Double.NaN;
    }
    double[] sorted = samples.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /** The median of the distances from the median. */
  static double mad(double... samples) {
    double median = median(samples);
    return median(Arrays.stream(samples).map(s -> Math.abs(s - median)).toArray());
  }

  /** Whether the samples spread so far that small differences mean nothing. */
  static boolean isNoisy(double... samples) {
    return MAD_TO_SIGMA * mad(samples) > NOISY * median(samples);
  }
}
