package io.mla4j.testkit;

/**
 * How large the sum of the squared errors of a result is when probabilities are rounded to bf16.
 *
 * <p>An output is {@code o = sum_s p_s v_s}, and its error {@code sum_s d_s p_s v_s} with d_s the
 * relative rounding of p_s, spread evenly over -u .. u or less (u = 2^-8), independent from key to
 * key and from row to row. With {@code G_st = p_s p_t v_s . v_t} the squared errors of a row sum to
 * {@code d^T G d}, of which the expectation is {@code u^2 / 3 sum_s G_ss}, and the variance
 *
 * <pre>
 *   u^4 (1/5 - 1/9) sum_s G_ss^2 + 2 (u^2 / 3)^2 sum_(s != t) G_st^2
 * </pre>
 *
 * <p>Where values are random, {@code sum_(s != t) G_st^2} is about {@code (sum_s G_ss)^2 / n} with
 * n the number of columns that count: those of a value, no more than of the latents which it is
 * made of. Rebuilt keys and values on the edge of two bf16 are noise too: each may be off by its
 * slack, with either sign.
 */
final class RoundingNoise {
  /** The mean square of a probability's relative rounding. */
  static final double MEAN = Rounding.BF16_UNIT * Rounding.BF16_UNIT / 3;

  /** (1/5 - 1/9) / (1/3)^2. */
  private static final double VARIANCE = 0.8;

  /** As many standard deviations are no chance in some millions of results. */
  private static final double DEVIATIONS = 6;

  private double mean;
  private double variance;
  private double ofProbabilities;

  /** The last row that {@code attention} computed; {@code rank}: what values are made of. */
  void addRow(Attention attention, int rank) {
    double trace = 0;
    double columnSquares = 0;
    for (double squares : attention.termSquares) {
      trace += squares;
      columnSquares += squares * squares;
    }
    if (trace == 0) {
      return;
    }
    double columns = Math.min(rank, trace * trace / columnSquares);
    ofProbabilities += MEAN * trace;
    mean += attention.noise;
    variance += VARIANCE * attention.noiseSquares + 2 * attention.noise * attention.noise / columns;
  }

  /** The sum of squared errors on average, of rounded probabilities alone. */
  double ofProbabilities() {
    return ofProbabilities;
  }

  /**
   * The cosine distance {@code 1 - 2 sum(ab) / sum(a^2 + b^2) = sum (a - b)^2 / sum(a^2 + b^2)}
   * that is not exceeded.
   *
   * @param squares sum(b^2) of the exact result
   */
  double cosine(double squares) {
    double errors = mean + DEVIATIONS * Math.sqrt(variance);
    // a may be shorter than b by its error
    double shorter = Math.max(0, Math.sqrt(squares) - Math.sqrt(errors));
    return errors / (squares + shorter * shorter);
  }
}
