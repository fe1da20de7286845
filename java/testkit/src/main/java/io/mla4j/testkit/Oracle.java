package io.mla4j.testkit;

import io.mla4j.ComputeType;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import java.util.Arrays;

/**
 * Every operation of the kernels in double precision, written from the formulas of mla.h; inputs
 * are dense. The roundings of {@link io.mla4j.ComputeType#BF16} happen here where mla.h puts them,
 * but for the one of the probabilities, whose place depends on the running maximum of the kernel:
 * {@link Attention} bounds it instead.
 */
public final class Oracle {
  private Oracle() {}

  /** Doubles with the same values, rounded to bf16 where {@code rounds}. */
  static double[] widen(float[] a, boolean rounds) {
    double[] d = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      d[i] = rounds ? Rounding.bf16(a[i]) : a[i];
    }
    return d;
  }

  /**
   * Rows of {@code width} activations as they enter a product: as they are, rounded to bf16, or
   * where {@code compute} is INT8 and the weight quantised, in blocks of 32 to m / 127 times an
   * integer, m the largest magnitude of the block.
   */
  static double[] entering(float[] a, int width, ComputeType compute, boolean quantised) {
    if (compute != ComputeType.INT8 || !quantised) {
      return widen(a, compute.roundsToBf16());
    }
    double[] d = new double[a.length];
    for (int row = 0; row < a.length; row += width) {
      for (int from = row; from < row + width; from += 32) {
        int end = Math.min(from + 32, row + width);
        float largest = 0;
        for (int i = from; i < end; i++) {
          largest = Math.max(largest, Math.abs(a[i]));
        }
        // In float32, as kernels do: a tie must not fall to the other side.
        float inverse = largest == 0 ? 0 : 127 / largest;
        for (int i = from; i < end; i++) {
          d[i] = (double) (largest / 127) * Math.rint(a[i] * inverse);
        }
      }
    }
    return d;
  }

  /** x W^T + bias: x (rows, k), w (n, k), bias (n) or null. */
  static double[] linear(double[] x, int rows, int k, double[] w, int n, float[] bias) {
    double[] y = new double[rows * n];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < n; j++) {
        y[i * n + j] = dot(x, i * k, w, j * k, k) + (bias == null ? 0 : bias[j]);
      }
    }
    return y;
  }

  /** The largest root of squared terms of {@link #linear}. */
  static double linearSize(double[] x, int rows, int k, double[] w, int n) {
    double[] largest = linear(squares(x), rows, k, squares(w), n, null);
    return Math.sqrt(Arrays.stream(largest).max().orElse(0));
  }

  private static double[] squares(double[] a) {
    return Arrays.stream(a).map(v -> v * v).toArray();
  }

  /** y[t, h] = W_h x[t, h], or W_h^T x[t, h]: w (heads, out, in), transposed (heads, in, out). */
  static double[] headLinear(
      double[] x, int tokens, int heads, int in, int out, double[] w, boolean transposed) {
    double[] y = new double[tokens * heads * out];
    for (int t = 0; t < tokens; t++) {
      for (int h = 0; h < heads; h++) {
        int xAt = (t * heads + h) * in;
        int yAt = (t * heads + h) * out;
        int wAt = h * in * out;
        for (int j = 0; j < out; j++) {
          for (int i = 0; i < in; i++) {
            y[yAt + j] += x[xAt + i] * w[wAt + (transposed ? i * out + j : j * in + i)];
          }
        }
      }
    }
    return y;
  }

  /** The largest root of squared terms of {@link #headLinear}. */
  static double headLinearSize(
      double[] x, int tokens, int heads, int in, int out, double[] w, boolean transposed) {
    double[] largest = headLinear(squares(x), tokens, heads, in, out, squares(w), transposed);
    return Math.sqrt(Arrays.stream(largest).max().orElse(0));
  }

  /**
   * out = sum of exp(lse - max) part / sum; lse = log of the sum. part (parts, rows, width), lse
   * (parts, rows).
   */
  static void merge(
      float[] part, float[] partLse, int parts, int rows, int width, double[] out, double[] lse) {
    for (int r = 0; r < rows; r++) {
      double max = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < parts; i++) {
        max = Math.max(max, partLse[i * rows + r]);
      }
      lse[r] = max;
      if (max == Double.NEGATIVE_INFINITY) {
        continue;
      }
      double sum = 0;
      for (int i = 0; i < parts; i++) {
        double weight = Math.exp(partLse[i * rows + r] - max);
        sum += weight;
        for (int j = 0; j < width; j++) {
          out[r * width + j] += weight * part[(i * rows + r) * width + j];
        }
      }
      for (int j = 0; j < width; j++) {
        out[r * width + j] /= sum;
      }
      lse[r] += Math.log(sum);
    }
  }

  /** weight * x / sqrt(mean(x^2) + eps) for one row at {@code at}. */
  static void rmsNorm(float[] x, int at, int width, float[] weight, float eps, double[] y, int to) {
    double squares = 0;
    for (int i = 0; i < width; i++) {
      squares += (double) x[at + i] * x[at + i];
    }
    double norm = Math.sqrt(squares / width + eps);
    for (int i = 0; i < width; i++) {
      y[to + i] = weight[i] * x[at + i] / norm;
    }
  }

  /** Cosines and sines of angles; those of a token start at {@code at}. */
  record Angles(float[] cosines, float[] sines, int at) {}

  /** Pairs (a, b) to (a cos - b sin, b cos + a sin). */
  static void rotate(
      float[] x, int at, int rope, RopeLayout layout, Angles angles, double[] y, int to) {
    for (int i = 0; i < rope / 2; i++) {
      int first = layout == RopeLayout.PAIRS ? 2 * i : i;
      int second = layout == RopeLayout.PAIRS ? 2 * i + 1 : i + rope / 2;
      double a = x[at + first];
      double b = x[at + second];
      double cosine = angles.cosines()[angles.at() + i];
      double sine = angles.sines()[angles.at() + i];
      y[to + first] = a * cosine - b * sine;
      y[to + second] = b * cosine + a * sine;
    }
  }

  /** min(gate / (1 + exp(-gate)), limit) * clamp(up, -limit, limit). */
  static double swiglu(double gate, double up, double limit) {
    return Math.min(gate / (1 + Math.exp(-gate)), limit) * Math.clamp(up, -limit, limit);
  }

  /** The scores of one token's logits. */
  static double[] scores(Routing r, float[] logits, int at) {
    double[] s = new double[r.experts()];
    double max = Double.NEGATIVE_INFINITY;
    for (int e = 0; e < r.experts(); e++) {
      max = Math.max(max, logits[at + e]);
    }
    double sum = 0;
    for (int e = 0; e < r.experts(); e++) {
      s[e] =
          r.score() == Routing.Score.SIGMOID
              ? 1 / (1 + Math.exp(-logits[at + e]))
              : Math.exp(logits[at + e] - max);
      sum += s[e];
    }
    for (int e = 0; e < r.experts() && r.score() == Routing.Score.SOFTMAX; e++) {
      s[e] /= sum;
    }
    return s;
  }

  /** The rank of group g over score + bias. */
  static double groupScore(Routing r, double[] biased, int g) {
    int size = r.experts() / r.groups();
    double first = Double.NEGATIVE_INFINITY;
    double second = Double.NEGATIVE_INFINITY;
    for (int e = g * size; e < (g + 1) * size; e++) {
      if (biased[e] > first) {
        second = first;
        first = biased[e];
      } else if (biased[e] > second) {
        second = biased[e];
      }
    }
    return r.groupScore() == Routing.GroupScore.MAX ? first : first + second;
  }

  /** The indices of the k largest, falling, equal ones by rising index. */
  static int[] top(double[] values, int k) {
    return java.util.stream.IntStream.range(0, values.length)
        .boxed()
        .sorted(java.util.Comparator.comparingDouble((Integer i) -> -values[i]))
        .limit(k)
        .mapToInt(i -> i)
        .toArray();
  }

  /** Sum of products; four sums, because one waits for itself. */
  public static double dot(double[] a, int ai, double[] b, int bi, int n) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
      s0 += a[ai + i] * b[bi + i];
      s1 += a[ai + i + 1] * b[bi + i + 1];
      s2 += a[ai + i + 2] * b[bi + i + 2];
      s3 += a[ai + i + 3] * b[bi + i + 3];
    }
    for (; i < n; i++) {
      s0 += a[ai + i] * b[bi + i];
    }
    return s0 + s1 + s2 + s3;
  }
}
