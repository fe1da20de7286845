package io.mla4j.lab;

/**
 * Causal attention within a window, head by head, with all of its probabilities: what kernels never
 * keep, and statistics need.
 */
final class AttentionWindow {
  private final int width;
  private final double[][] cos;
  private final double[][] sin;

  /** Of at most t tokens, in heads of a shape. */
  AttentionWindow(GroupedShape shape, int t) {
    width = shape.width();
    cos = new double[shape.pairs()][t];
    sin = new double[shape.pairs()][t];
    for (int l = 0; l < shape.pairs(); l++) {
      for (int i = 0; i < t; i++) {
        cos[l][i] = Math.cos(i * shape.frequencies()[l]);
        sin[l][i] = Math.sin(i * shape.frequencies()[l]);
      }
    }
  }

  /**
   * Softmax of the scaled scores of one head.
   *
   * @param q (width, T), before rotation
   * @param k (width, T), before rotation
   * @return a[i][j] for j at most i
   */
  float[][] probabilities(float[][] q, float[][] k) {
    float[][] a = rotatedScores(q, k);
    for (float[] row : a) {
      softmax(row, 1 / Math.sqrt(width));
    }
    return a;
  }

  /** {@code q_i . k_j} for j at most i, of (width, T) each, both rotated first. */
  float[][] rotatedScores(float[][] q, float[][] k) {
    return scores(rotated(q), rotated(k));
  }

  /** {@code q_i . k_j} for j at most i, of (width, T) each. */
  private static float[][] scores(float[][] q, float[][] k) {
    float[][] scores = new float[q[0].length][];
    for (int i = 0; i < scores.length; i++) {
      float[] row = new float[i + 1];
      for (int d = 0; d < q.length; d++) {
        float x = q[d][i];
        float[] keys = k[d];
        for (int j = 0; j <= i; j++) {
          row[j] += x * keys[j];
        }
      }
      scores[i] = row;
    }
    return scores;
  }

  /** Pairs (l, l + N) of (2N, T) turned by the angle of their position. */
  private float[][] rotated(float[][] x) {
    int n = cos.length;
    int t = x[0].length;
    float[][] out = new float[2 * n][t];
    for (int l = 0; l < n; l++) {
      for (int i = 0; i < t; i++) {
        out[l][i] = (float) (x[l][i] * cos[l][i] - x[n + l][i] * sin[l][i]);
        out[n + l][i] = (float) (x[l][i] * sin[l][i] + x[n + l][i] * cos[l][i]);
      }
    }
    return out;
  }

  private static void softmax(float[] row, double scale) {
    float largest = Float.NEGATIVE_INFINITY;
    for (float x : row) {
      largest = Math.max(largest, x);
    }
    double sum = 0;
    for (int j = 0; j < row.length; j++) {
      row[j] = (float) Math.exp(scale * (row[j] - largest));
      sum += row[j];
    }
    float factor = (float) (1 / sum);
    for (int j = 0; j < row.length; j++) {
      row[j] *= factor;
    }
  }

  /** out[i][c] = sum_j a[i][j] v[j][c], v (T, width). */
  static float[][] mix(float[][] a, float[][] v) {
    int width = v[0].length;
    float[][] out = new float[a.length][width];
    for (int i = 0; i < a.length; i++) {
      float[] to = out[i];
      for (int j = 0; j <= i; j++) {
        float x = a[i][j];
        float[] from = v[j];
        for (int c = 0; c < width; c++) {
          to[c] += x * from[c];
        }
      }
    }
    return out;
  }
}
