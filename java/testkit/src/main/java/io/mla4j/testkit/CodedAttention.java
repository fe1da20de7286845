package io.mla4j.testkit;

import io.mla4j.LatentLayout;
import io.mla4j.ops.Probabilities;
import java.util.Arrays;

/**
 * Attention of single rows by integer products, from the definition in mla.h: roundings of queries
 * happen here as there, in float32; sums are in double precision. A probability whose integer a
 * float32 program may find on either side of the middle adds one unit to the bound.
 */
final class CodedAttention {
  private static final int BLOCK = 128;
  private static final float LEAST_SCALE = 1e-30f;

  /** Relative errors of an exponential and of the products that scale it. */
  private static final double EXPONENTIAL = 1e-6;

  private final LatentLayout layout;
  private final boolean ownKeys;
  private final double scale;
  private final int largest;
  private final int latent;
  private final int rope;

  // of the rows: (tokens, latent) codes, (tokens, groups) scales
  private final int[] codes;
  private final float[] scales;
  private final float[] rows;

  // of the query at hand
  private final int[] queryCodes;
  private final float[] queryScales;
  private double[] scores = new double[0];
  private double[] errors = new double[0];

  /** The largest error that doubtful roundings of the last row allow, for each output. */
  final double[] outBound;

  /** The sum of the squared terms of each output of the last row. */
  final double[] termSquares;

  /** The same for its lse. */
  double lseBound;

  /** Whether any integer of any row was in doubt. */
  boolean doubtful;

  /** {@code rows}: (tokens, latent + rope) as they are read of the cache. */
  CodedAttention(
      LatentLayout layout,
      boolean ownKeys,
      double scale,
      Probabilities probabilities,
      float[] rows) {
    this.layout = layout;
    this.ownKeys = ownKeys;
    this.scale = scale;
    this.largest = (1 << probabilities.bits()) - 1;
    this.rows = rows;
    latent = layout.latent();
    rope = layout.rope();
    int tokens = rows.length / (latent + rope);
    int groups = layout.scales();
    codes = new int[tokens * latent];
    scales = new float[tokens * groups];
    queryCodes = new int[latent];
    queryScales = new float[groups];
    outBound = new double[latent];
    termSquares = new double[latent];
    for (int s = 0; s < tokens; s++) {
      for (int g = 0; g < groups; g++) {
        scales[s * groups + g] =
            round(
                rows,
                s * (latent + rope) + begin(g),
                end(g) - begin(g),
                codes,
                s * latent + begin(g));
      }
    }
  }

  private int begin(int group) {
    return group * layout.type().scaleColumns();
  }

  private int end(int group) {
    return Math.min(latent, begin(group + 1));
  }

  /** Codes of n numbers, and their scale. */
  private static float round(float[] x, int from, int n, int[] to, int at) {
    float most = 0;
    for (int i = 0; i < n; i++) {
      most = Math.max(most, Math.abs(x[from + i]));
    }
    float scale = most / 127;
    for (int i = 0; i < n; i++) {
      to[at + i] = scale == 0 ? 0 : (int) Math.rint(x[from + i] / scale);
    }
    return scale;
  }

  /**
   * One query over keys {@code [begin, end)}; its output is added to {@code out[outAt ..]}.
   *
   * @return lse
   */
  double row(float[] q, int qAt, int begin, int end, Attention.Bias bias, double[] out, int outAt) {
    Arrays.fill(outBound, 0);
    Arrays.fill(termSquares, 0);
    lseBound = 0;
    if (end <= begin) {
      return Double.NEGATIVE_INFINITY;
    }
    score(q, qAt, begin, end, bias);
    double max = Double.NEGATIVE_INFINITY;
    for (int s = begin; s < end; s++) {
      max = Math.max(max, scores[s]);
    }
    double sum = 0;
    for (int s = begin; s < end; s++) {
      sum += Math.exp(scores[s] - max);
      lseBound = Math.max(lseBound, errors[s]);
    }
    for (int first = begin; first < end; ) {
      int last = Math.min(end, (first / BLOCK + 1) * BLOCK);
      for (int g = 0; g < layout.scales(); g++) {
        addBlock(first, last, g, max, sum, out, outAt);
      }
      first = last;
    }
    return max + Math.log(sum);
  }

  private void score(float[] q, int qAt, int begin, int end, Attention.Bias bias) {
    if (scores.length < end) {
      scores = new double[end];
      errors = new double[end];
    }
    int groups = ownKeys ? 0 : layout.scales();
    for (int g = 0; g < groups; g++) {
      queryScales[g] = round(q, qAt + begin(g), end(g) - begin(g), queryCodes, begin(g));
    }
    int key = qAt + (ownKeys ? 0 : latent);
    for (int s = begin; s < end; s++) {
      double dot = 0;
      double size = 0;
      for (int i = 0; i < rope; i++) {
        double term = (double) Rounding.bf16(q[key + i]) * rows[s * (latent + rope) + latent + i];
        dot += term;
        size += Math.abs(term);
      }
      for (int g = 0; g < groups; g++) {
        long products = 0;
        for (int i = begin(g); i < end(g); i++) {
          products += queryCodes[i] * codes[s * latent + i];
        }
        double term = (double) queryScales[g] * scales[s * layout.scales() + g] * products;
        dot += term;
        size += Math.abs(term);
      }
      scores[s] = scale * dot - bias.slope() * (bias.position() - s);
      errors[s] = 0x1p-21 * (scale * size + Math.abs(scores[s]));
    }
  }

  private void addBlock(
      int first, int last, int g, double max, double sum, double[] out, int outAt) {
    double block = Double.NEGATIVE_INFINITY;
    float most = 0;
    double error = 0;
    for (int s = first; s < last; s++) {
      block = Math.max(block, scores[s]);
      most = Math.max(most, scales[s * layout.scales() + g]);
      error = Math.max(error, errors[s]);
    }
    if (most <= LEAST_SCALE) {
      return;
    }
    double unit = Math.exp(block - max) / sum * most / largest;
    for (int s = first; s < last; s++) {
      double x = Math.exp(scores[s] - block) * largest * scales[s * layout.scales() + g] / most;
      double integer = Math.rint(x);
      double doubt = x * (EXPONENTIAL + 2 * error);
      boolean either = Math.abs(Math.abs(x - integer) - 0.5) <= doubt;
      doubtful |= either;
      for (int i = begin(g); i < end(g); i++) {
        double value = unit * codes[s * latent + i];
        double term = value * integer;
        out[outAt + i] += term;
        termSquares[i] += term * term;
        // the weight of a block moves with its scores
        outBound[i] += Math.abs(value) * ((either ? 1 : 0) + integer * 4 * error);
      }
    }
  }
}
