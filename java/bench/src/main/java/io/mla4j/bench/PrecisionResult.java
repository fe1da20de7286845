package io.mla4j.bench;

import java.util.Arrays;
import java.util.List;

/**
 * What one setting gave.
 *
 * @param refused why there is nothing else, or null
 * @param tokenBytes bytes of a token in one layer of the cache
 * @param layers attention of each layer against double precision
 * @param residuals after each layer: root mean square of the difference to the reference, over that
 *     of the reference
 * @param perplexity of the text
 * @param divergence of each token's distribution from the reference's, in nats: sum p ln(p / q)
 * @param greedy the reference's greedy continuation
 */
record PrecisionResult(
    PrecisionSetting setting,
    String refused,
    long tokenBytes,
    List<PrecisionRecorder.LayerError> layers,
    double[] residuals,
    double perplexity,
    double[] divergence,
    Greedy greedy) {
  /**
   * @param agreed how many of its tokens would have been chosen
   * @param all how many it has
   */
  record Greedy(int agreed, int all) {}

  static PrecisionResult refused(PrecisionSetting setting, String why) {
    return new PrecisionResult(
        setting, why, 0, List.of(), new double[0], Double.NaN, new double[0], new Greedy(0, 0));
  }

  /** Errors of attention's output of all layers, ascending. */
  double[] out() {
    return layers.stream().flatMapToDouble(l -> Arrays.stream(l.out())).sorted().toArray();
  }

  /** Errors of attention's lse of all layers, ascending. */
  double[] lse() {
    return layers.stream().flatMapToDouble(l -> Arrays.stream(l.lse())).sorted().toArray();
  }

  static double mean(double[] values) {
    return Arrays.stream(values).average().orElse(Double.NaN);
  }

  /** The value that this share of the ascending values does not exceed. */
  static double quantile(double[] ascending, double share) {
    return ascending.length == 0
        ? Double.NaN
        : ascending[(int) Math.min(ascending.length - 1L, Math.round(share * ascending.length))];
  }

  static double worst(double[] ascending) {
    return quantile(ascending, 1);
  }
}
