package io.mla4j.text;

import io.mla4j.InvalidArgumentException;

/**
 * How the next token is chosen from its logits, in this order: repetition penalty, temperature,
 * top-k, top-p, min-p, draw.
 *
 * @param temperature divisor of the logits; 0 always takes the largest (greedy), and then top-k,
 *     top-p and min-p have no effect
 * @param topK how many tokens stay at most; 0 for all
 * @param topP the likeliest tokens stay whose probabilities together reach this; in (0, 1], 1 for
 *     all
 * @param minP tokens stay that are at least this likely relative to the likeliest; in [0, 1], 0 for
 *     all
 * @param repetitionPenalty logits of tokens that occurred are divided by this where positive,
 *     multiplied where negative (Keskar et al., 2019); above 0, 1 for none
 * @param seed the same seed gives the same tokens
 */
public record SamplingOptions(
    double temperature, int topK, double topP, double minP, double repetitionPenalty, long seed) {
  /** Always the likeliest token. */
  public static final SamplingOptions GREEDY = new SamplingOptions(0, 0, 1, 0, 1, 0);

  /**
   * Checks the ranges above.
   *
   * @throws InvalidArgumentException naming the option that is out of its range
   */
  public SamplingOptions {
    require(
        temperature >= 0 && temperature < Double.POSITIVE_INFINITY,
        "temperature",
        temperature,
        "a finite number of at least 0");
    require(topK >= 0, "topK", topK, "at least 0");
    require(topP > 0 && topP <= 1, "topP", topP, "above 0 and at most 1");
    require(minP >= 0 && minP <= 1, "minP", minP, "in 0..1");
    require(
        repetitionPenalty > 0 && repetitionPenalty < Double.POSITIVE_INFINITY,
        "repetitionPenalty",
        repetitionPenalty,
        "a finite number above 0");
  }

  private static void require(boolean holds, String name, Number value, String allowed) {
    if (!holds) {
      throw new InvalidArgumentException(name + " is " + value + ", but must be " + allowed);
    }
  }
}
