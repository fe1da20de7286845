package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Weight;

/** Double-precision formulas that the tests of core compare with, and the comparison. */
public final class Oracle {
  private Oracle() {}

  /** y = x W^T (+ bias): x (n, in). */
  public static double[] linear(double[] x, Weight weight, float[] bias) {
    int in = weight.in();
    int out = weight.out();
    int n = x.length / in;
    double[] y = new double[n * out];
    for (int t = 0; t < n; t++) {
      for (int o = 0; o < out; o++) {
        double sum = bias == null ? 0 : bias[o];
        for (int i = 0; i < in; i++) {
          sum += x[t * in + i] * TestTensors.value(weight, o, i);
        }
        y[t * out + o] = sum;
      }
    }
    return y;
  }

  /** down(silu(gate x) * up x). */
  public static double[] swiglu(double[] x, Weight gate, Weight up, Weight down) {
    double[] g = linear(x, gate, null);
    double[] u = linear(x, up, null);
    for (int i = 0; i < g.length; i++) {
      g[i] = g[i] / (1 + Math.exp(-g[i])) * u[i];
    }
    return linear(g, down, null);
  }

  /**
   * Causal attention of the last n of the rows, absorbed: rows (kv, latent + rope), q (n, heads,
   * latent + rope).
   *
   * @param slopes (heads) or null
   * @param lse (n, heads), written where not null
   * @return (n, heads, latent)
   */
  public static double[] attention(
      float[] rows,
      double[] q,
      int heads,
      int latent,
      int rope,
      double scale,
      float[] slopes,
      double[] lse) {
    int width = latent + rope;
    int kv = rows.length / width;
    int n = q.length / (heads * width);
    double[] out = new double[n * heads * latent];
    for (int t = 0; t < n; t++) {
      int visible = kv - n + t + 1;
      for (int h = 0; h < heads; h++) {
        double[] score = new double[visible];
        double max = Double.NEGATIVE_INFINITY;
        for (int s = 0; s < visible; s++) {
          for (int i = 0; i < width; i++) {
            score[s] += q[(t * heads + h) * width + i] * rows[s * width + i];
          }
          score[s] = score[s] * scale - (slopes == null ? 0 : slopes[h] * (visible - 1 - s));
          max = Math.max(max, score[s]);
        }
        double sum = 0;
        for (int s = 0; s < visible; s++) {
          double p = Math.exp(score[s] - max);
          sum += p;
          for (int i = 0; i < latent; i++) {
            out[(t * heads + h) * latent + i] += p * rows[s * width + i];
          }
        }
        for (int i = 0; i < latent; i++) {
          out[(t * heads + h) * latent + i] /= sum;
        }
        if (lse != null) {
          lse[t * heads + h] = max + Math.log(sum);
        }
      }
    }
    return out;
  }

  /** q (n, heads, nope + rope) into (n, heads, latent + rope) with W_UK. */
  public static double[] absorb(double[] q, Weight latentUp, MlaShape s) {
    int n = q.length / (s.heads() * s.query());
    double[] out = new double[n * s.heads() * s.cached()];
    for (int th = 0; th < n * s.heads(); th++) {
      int h = th % s.heads();
      for (int r = 0; r < s.nope(); r++) {
        for (int i = 0; i < s.latent(); i++) {
          out[th * s.cached() + i] +=
              q[th * s.query() + r]
                  * TestTensors.value(latentUp, (long) h * (s.nope() + s.value()) + r, i);
        }
      }
      System.arraycopy(q, th * s.query() + s.nope(), out, th * s.cached() + s.latent(), s.rope());
    }
    return out;
  }

  /** x (n, heads, latent) into (n, heads, value) with W_UV. */
  public static double[] expand(double[] x, Weight latentUp, MlaShape s) {
    int n = x.length / (s.heads() * s.latent());
    double[] out = new double[n * s.heads() * s.value()];
    for (int th = 0; th < n * s.heads(); th++) {
      int h = th % s.heads();
      for (int r = 0; r < s.value(); r++) {
        for (int i = 0; i < s.latent(); i++) {
          out[th * s.value() + r] +=
              x[th * s.latent() + i]
                  * TestTensors.value(
                      latentUp, (long) h * (s.nope() + s.value()) + s.nope() + r, i);
        }
      }
    }
    return out;
  }

  /**
   * Pairs of the last {@code rope} of each {@code width} numbers turned by the angles of their
   * token.
   */
  public static double[] rotate(double[] x, int perToken, int width, Rotation rotation) {
    int pairs = (int) rotation.cosines().dim(1);
    float[] cosines = TestTensors.floats(rotation.cosines());
    float[] sines = TestTensors.floats(rotation.sines());
    double[] y = x.clone();
    boolean neighbours = rotation.layout() == RopeLayout.PAIRS;
    for (int row = 0; row < x.length / width; row++) {
      int t = row / perToken;
      int start = (row + 1) * width - 2 * pairs;
      for (int i = 0; i < pairs; i++) {
        int a = start + (neighbours ? 2 * i : i);
        int b = start + (neighbours ? 2 * i + 1 : i + pairs);
        double c = cosines[t * pairs + i];
        double s = sines[t * pairs + i];
        y[a] = x[a] * c - x[b] * s;
        y[b] = x[b] * c + x[a] * s;
      }
    }
    return y;
  }

  /** The same numbers in double precision. */
  public static double[] doubles(float[] x) {
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i];
    }
    return y;
  }

  /** |actual - expected| is at most {@code tolerance} times the largest |expected|. */
  public static void assertClose(double[] expected, float[] actual, double tolerance) {
    assertEquals(expected.length, actual.length);
    double max = 0;
    for (double x : expected) {
      max = Math.max(max, Math.abs(x));
    }
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - actual[i]);
      int at = i;
      double bound = tolerance * max;
      assertTrue(
          error <= bound,
          () ->
              "element "
                  + at
                  + " is "
                  + actual[at]
                  + ", but must be "
                  + expected[at]
                  + " within "
                  + bound);
    }
  }
}
