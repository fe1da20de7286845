package io.mla4j.lab;

/**
 * Causal attention within a window, head by head, with all of its probabilities: what kernels never
 * keep, and statistics need.
 */
final class AttentionWindow {
  private AttentionWindow() {}

  /**
   * Softmax of the scaled scores of rows.
   *
   * @param q (width, T) of one head, rotated
   * @param k (width, T), rotated
   * @param scale on scores
   * @return a[i][j] for j at most i
   */
  static float[][] probabilities(float[][] q, float[][] k, int t, double scale) {
    float[][] a = new float[t][];
    for (int i = 0; i < t; i++) {
      float[] row = new float[i + 1];
      for (int d = 0; d < q.length; d++) {
        float x = q[d][i];
        float[] keys = k[d];
        for (int j = 0; j <= i; j++) {
          row[j] += x * keys[j];
        }
      }
      softmax(row, scale);
      a[i] = row;
    }
    return a;
  }

  /** The same of vectors that are not rotated yet. */
  static float[][] probabilities(GroupedShape shape, float[][] q, float[][] k, int t) {
    float[][] turnedQ = rotated(q, t, shape.frequencies());
    float[][] turnedK = rotated(k, t, shape.frequencies());
    return probabilities(turnedQ, turnedK, t, 1 / Math.sqrt(shape.width()));
  }

  /** Pairs (l, l + N) of (2N, T) turned by the angle of their position. */
  private static float[][] rotated(float[][] x, int t, double[] frequencies) {
    int n = frequencies.length;
    float[][] out = new float[2 * n][t];
    for (int l = 0; l < n; l++) {
      for (int i = 0; i < t; i++) {
        double c = Math.cos(i * frequencies[l]);
        double s = Math.sin(i * frequencies[l]);
        out[l][i] = (float) (x[l][i] * c - x[n + l][i] * s);
        out[n + l][i] = (float) (x[l][i] * s + x[n + l][i] * c);
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
