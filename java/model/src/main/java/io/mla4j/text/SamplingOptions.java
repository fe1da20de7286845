package io.mla4j.text;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.InvalidArgumentException;
import java.util.Map;

/**
 * How the next token is chosen from its logits, in this order: penalties, biases, temperature,
 * top-k, top-p, min-p, draw.
 *
 * @param temperature divisor of the logits; 0 always takes the largest (greedy), and then top-k,
 *     top-p and min-p have no effect
 * @param topK how many tokens stay at most; 0 for all
 * @param topP the likeliest tokens stay whose probabilities together reach this; in (0, 1], 1 for
 *     all
 * @param minP tokens stay that are at least this likely relative to the likeliest; in [0, 1], 0 for
 *     all
 * @param penalties on tokens that occurred
 * @param logitBias by id, added to its logit; finite numbers
 * @param seed the same seed gives the same tokens
 */
public record SamplingOptions(
    double temperature,
    int topK,
    double topP,
    double minP,
    Penalties penalties,
    Map<Integer, Double> logitBias,
    long seed) {
  /** Always the likeliest token. */
  public static final SamplingOptions GREEDY = new SamplingOptions(0, 0, 1, 0, 1, 0);

  /**
   * What tokens lose that occurred.
   *
   * @param repetition logits of tokens of the prompt or the text are divided by this where
   *     positive, multiplied where negative (Keskar et al., 2019); above 0, 1 for none
   * @param presence taken from the logits of tokens that were chosen; in [-2, 2], 0 for none
   * @param frequency taken from the logits of tokens once for each time that they were chosen; in
   *     [-2, 2], 0 for none
   */
  public record Penalties(double repetition, double presence, double frequency) {
    /** None. */
    public static final Penalties NONE = new Penalties(1, 0, 0);

    private static final double MOST = 2;

    /**
     * Checks the ranges above.
     *
     * @throws InvalidArgumentException naming the penalty that is out of its range
     */
    public Penalties {
      require(
          repetition > 0 && repetition < Double.POSITIVE_INFINITY,
          "repetitionPenalty",
          repetition,
          "a finite number above 0");
      require(Math.abs(presence) <= MOST, "presencePenalty", presence, "in -2..2");
      require(Math.abs(frequency) <= MOST, "frequencyPenalty", frequency, "in -2..2");
    }
  }

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
    logitBias = Map.copyOf(logitBias);
    logitBias.forEach(
        (id, bias) -> {
          require(id >= 0, "logitBias id", id, "at least 0");
          require(Double.isFinite(bias), "logitBias of " + id, bias, "finite");
        });
  }

  /** Without other penalties, and without biases. */
  public SamplingOptions(
      double temperature, int topK, double topP, double minP, double repetitionPenalty, long seed) {
    this(temperature, topK, topP, minP, new Penalties(repetitionPenalty, 0, 0), Map.of(), seed);
  }

  /** The same with another seed. */
  public SamplingOptions withSeed(long other) {
    return new SamplingOptions(temperature, topK, topP, minP, penalties, logitBias, other);
  }

  /** Whether the logits of all tokens are taken as they are. */
  boolean takesLogitsAsTheyAre() {
    return penalties.equals(Penalties.NONE) && logitBias.isEmpty();
  }
}
