package io.mla4j.testkit;

import java.util.Arrays;

/**
 * Softmax attention of single rows in double precision, with a bound of what the roundings of bf16
 * may add:
 *
 * <ul>
 *   <li>probabilities rounded to bf16 change an output by at most {@code 2^-8 sum p |v|};
 *   <li>a rebuilt key or value that lies between two bf16 may be rounded either way by a float32
 *       program; {@code keySlack} and {@code valueSlack} hold the distance of the two, and zero
 *       where there is no doubt.
 * </ul>
 */
public final class Attention {
  private final int queryWidth;
  private final int valueWidth;
  private final double scale;
  private final boolean rounds;
  private double[] scores = new double[0];
  private double[] slacks = new double[0];
  private double[] slackSquares = new double[0];

  /** The largest error that the roundings of the last row allow, for each output. */
  public final double[] outBound;

  /** The same for the last row's lse. */
  public double lseBound;

  /** The sum of the squared terms of each output of the last row. */
  public final double[] termSquares;

  /** The sum of the squared errors of the last row on average, as {@link RoundingNoise} has it. */
  double noise;

  /** The sum of the squares of what each key adds to it. */
  double noiseSquares;

  /**
   * Rows of these widths.
   *
   * @param rounds whether probabilities are rounded to bf16
   */
  public Attention(int queryWidth, int valueWidth, double scale, boolean rounds) {
    this.queryWidth = queryWidth;
    this.valueWidth = valueWidth;
    this.scale = scale;
    this.rounds = rounds;
    this.outBound = new double[valueWidth];
    this.termSquares = new double[valueWidth];
  }

  /**
   * Keys and values of the tokens: key s starts at {@code s * keyStride}, value s at {@code s *
   * valueStride}; slacks or null.
   */
  public record Rows(
      double[] keys,
      int keyStride,
      double[] values,
      int valueStride,
      double[] keySlack,
      double[] valueSlack) {}

  /** What a query's position does to its scores: {@code - slope * (position - s)}. */
  public record Bias(double slope, int position) {}

  /**
   * One query over keys {@code [begin, end)}: score = scale * q.k - slope * (position - s).
   *
   * @return lse
   */
  public double row(
      double[] q, int qAt, Rows rows, int begin, int end, Bias bias, double[] out, int outAt) {
    int n = Math.max(0, end - begin);
    if (scores.length < n) {
      scores = new double[n];
      slacks = new double[n];
      slackSquares = new double[n];
    }
    Arrays.fill(outBound, 0);
    lseBound = 0;
    noise = 0;
    noiseSquares = 0;
    Arrays.fill(termSquares, 0);
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      int key = (begin + i) * rows.keyStride();
      double dot = Oracle.dot(q, qAt, rows.keys(), key, queryWidth);
      scores[i] = scale * dot - bias.slope() * (bias.position() - begin - i);
      slack(q, qAt, rows.keySlack(), key, i);
      max = Math.max(max, scores[i]);
    }
    if (n == 0) {
      return Double.NEGATIVE_INFINITY;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += Math.exp(scores[i] - max);
    }
    double worst = 0;
    double raised = 0;
    for (int i = 0; i < n; i++) {
      raised += Math.exp(scores[i] - max) / sum * Math.exp(slacks[i]);
      worst = Math.max(worst, slacks[i]);
    }
    // The largest lse when every score may move by its slack; it can fall by no more.
    lseBound = Math.log(raised);
    double relative = (rounds ? Rounding.BF16_UNIT : 0) + Math.expm1(2 * worst);
    for (int i = 0; i < n; i++) {
      double p = Math.exp(scores[i] - max) / sum;
      int value = (begin + i) * rows.valueStride();
      double squares = 0;
      double off = 0;
      for (int j = 0; j < valueWidth; j++) {
        double term = p * rows.values()[value + j];
        out[outAt + j] += term;
        outBound[j] += relative * Math.abs(term);
        termSquares[j] += term * term;
        squares += term * term;
      }
      if (rows.valueSlack() != null) {
        for (int j = 0; j < valueWidth; j++) {
          double slack = p * rows.valueSlack()[value + j];
          outBound[j] += slack;
          off += slack * slack;
        }
      }
      addNoise((RoundingNoise.MEAN + 2 * slackSquares[i]) * squares + off);
    }
    // A score that moves by d moves the output by p d (v - o), squared at most 2 p^2 d^2 (v^2 +
    // o^2).
    double length = 0;
    for (int j = 0; j < valueWidth; j++) {
      length += out[outAt + j] * out[outAt + j];
    }
    for (int i = 0; i < n; i++) {
      double p = Math.exp(scores[i] - max) / sum;
      addNoise(2 * slackSquares[i] * p * p * length);
    }
    return max + Math.log(sum);
  }

  private void addNoise(double mean) {
    noise += mean;
    noiseSquares += mean * mean;
  }

  /** What the score of key i may move by, and the mean of its square. */
  private void slack(double[] q, int qAt, double[] keySlack, int key, int i) {
    slacks[i] = 0;
    slackSquares[i] = 0;
    for (int j = 0; keySlack != null && j < queryWidth; j++) {
      double moved = scale * Math.abs(q[qAt + j]) * keySlack[key + j];
      slacks[i] += moved;
      slackSquares[i] += moved * moved;
    }
  }
}
