package io.mla4j.lab;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;

/**
 * Fits what head h multiplies the unrotated keys by: 2N real numbers w, N being its pairs, by least
 * squares of {@code sum_l Re(w_l conj(q_l) k_l)} on {@code sum_l Re(e^(-i lag theta_l) conj(q_l)
 * k_l)} over all pairs of tokens (i, j) of some windows. The weights are {@code o_ij = rho a_ij +
 * (1 - rho) / (i + 1)} with the attention a; both sides are centred by their o-mean in each row i,
 * since softmax ignores a constant. The minimum is then that of the second order of the divergence
 * between the two attentions.
 *
 * @param device multiplies the normal equations
 * @param rho the share of the attention in the weights, 0 to 1
 * @param slopes whether an ALiBi slope for each head is fitted with them: the feature -lag
 */
record MultiplierFit(Products device, double rho, boolean slopes) {
  /** Share of the diagonal that holds multipliers back at the mean rotation, and slopes at 0. */
  private static final double RIDGE = 1e-3;

  /** The placement with fitted multipliers. */
  Placement apply(Moments moments, Placement placement) {
    GroupedShape shape = moments.shape();
    if (placement.components().length == shape.components()) {
      return placement; // nothing is unrotated
    }
    double[][][] fitted = new double[2][shape.heads()][];
    double[] slope = new double[shape.heads()];
    DMatrixRMaj plain = placement.plainOfKeys(shape);
    int longest = moments.windows().stream().mapToInt(Moments.Window::length).max().orElseThrow();
    AttentionWindow attention = new AttentionWindow(shape, longest);
    for (int h = 0; h < shape.heads(); h++) {
      DMatrixRMaj keys = Matrices.multiply(placement.keyOfPlain(shape, h), plain);
      double[] w = head(moments, attention, h, keys);
      fitted[0][h] = Arrays.copyOf(w, shape.pairs());
      fitted[1][h] = Arrays.copyOfRange(w, shape.pairs(), shape.width());
      if (slopes) {
        slope[h] = Math.max(0, w[shape.width()]) / Math.sqrt(shape.width());
      }
    }
    return placement.with(fitted, slope);
  }

  /**
   * The multipliers of head h, real parts first, then its slope in units of q . k.
   *
   * @param keys (width, groups x width): the unrotated key of the head, of the keys
   */
  private double[] head(Moments moments, AttentionWindow attention, int h, DMatrixRMaj keys) {
    GroupedShape shape = moments.shape();
    int n = shape.width() + (slopes ? 1 : 0);
    DMatrixRMaj normal = new DMatrixRMaj(n, n);
    DMatrixRMaj right = new DMatrixRMaj(n, 1);
    for (Moments.Window window : moments.windows()) {
      float[] gram = gram(shape, window, attention, h, keys);
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          normal.add(i, j, gram[i * (n + 1) + j]);
        }
        right.add(i, 0, gram[i * (n + 1) + n]);
      }
    }
    DMatrixRMaj mean = new DMatrixRMaj(n, 1);
    for (int l = 0; l < shape.pairs(); l++) {
      mean.set(l, moments.lagMean()[0][h][l]);
      mean.set(shape.pairs() + l, moments.lagMean()[1][h][l]);
    }
    Matrices.add(right, -1, Matrices.multiply(normal, mean));
    for (int i = 0; i < n; i++) {
      normal.set(i, i, normal.get(i, i) * (1 + RIDGE) + 1e-9);
    }
    DMatrixRMaj solution = Matrices.solve(normal, right);
    Matrices.add(solution, 1, mean);
    return solution.data.clone();
  }

  /**
   * Products of the unknowns' weighted, centred features over all pairs of tokens, and of the
   * target.
   */
  private float[] gram(
      GroupedShape shape,
      Moments.Window window,
      AttentionWindow attention,
      int h,
      DMatrixRMaj keys) {
    int t = window.length();
    int w = shape.width();
    int n = shape.pairs();
    // by element, so that loops over tokens run along arrays
    float[][] query = column(window.q(), t, shape.heads() * w, h * w, w);
    float[][] own = column(window.k(), t, shape.keyWidth(), h / shape.sharing() * w, w);
    float[][] plain = unrotated(window, shape, keys);
    double[][] tokens = transposed(plain);
    float[][] weights = attention.probabilities(query, own);
    float[][] targets = attention.rotatedScores(query, plain);
    int pairs = t * (t + 1) / 2;
    float[][] rows = new float[w + (slopes ? 2 : 1)][pairs];
    IntStream.range(0, t)
        .parallel()
        .forEach(
            i -> {
              int at = i * (i + 1) / 2;
              float[] o = new float[i + 1];
              float[] root = new float[i + 1];
              for (int j = 0; j <= i; j++) {
                o[j] = (float) (rho * weights[i][j] + (1 - rho) / (i + 1));
                root[j] = (float) Math.sqrt(o[j]);
              }
              double[] mean = mean(o, tokens);
              float[] line = new float[i + 1];
              for (int l = 0; l < n; l++) {
                float qr = query[l][i];
                float qi = query[n + l][i];
                float re = (float) (qr * mean[l] + qi * mean[n + l]); // of conj(q) k
                float im = (float) (qr * mean[n + l] - qi * mean[l]);
                weigh(line, root, qr, plain[l], qi, plain[n + l], re);
                System.arraycopy(line, 0, rows[l], at, i + 1);
                weigh(line, root, qi, plain[l], -qr, plain[n + l], -im);
                System.arraycopy(line, 0, rows[n + l], at, i + 1);
              }
              for (int j = 0; slopes && j <= i; j++) {
                rows[w][at + j] = j - i;
              }
              if (slopes) {
                centre(rows[w], at, o, root);
              }
              float[] target = rows[rows.length - 1];
              System.arraycopy(targets[i], 0, target, at, i + 1);
              centre(target, at, o, root);
            });
    try (Arena arena = Arena.ofShared()) {
      Products here = device.within(arena);
      return here.gram(here.tensor(rows));
    }
  }

  /** The o-mean of what is unrotated of the first tokens. */
  private static double[] mean(float[] o, double[][] tokens) {
    double[] mean = new double[tokens[0].length];
    for (int j = 0; j < o.length; j++) {
      double weight = o[j];
      double[] token = tokens[j];
      for (int c = 0; c < mean.length; c++) {
        mean[c] += weight * token[c];
      }
    }
    return mean;
  }

  /** {@code line = root (a x + b y - mean)}: all with one index, for C2's vectors. */
  private static void weigh(
      float[] line, float[] root, float a, float[] x, float b, float[] y, float mean) {
    for (int j = 0; j < line.length; j++) {
      line[j] = root[j] * (a * x[j] + b * y[j] - mean);
    }
  }

  /** Takes the o-mean from the row's elements, and weighs them by its root. */
  private static void centre(float[] row, int at, float[] o, float[] root) {
    double mean = 0;
    for (int j = 0; j < o.length; j++) {
      mean += o[j] * row[at + j];
    }
    for (int j = 0; j < o.length; j++) {
      row[at + j] = root[j] * (row[at + j] - (float) mean);
    }
  }

  private static float[][] unrotated(Moments.Window window, GroupedShape shape, DMatrixRMaj keys) {
    int t = window.length();
    float[][] k = column(window.k(), t, shape.keyWidth(), 0, shape.keyWidth());
    float[][] rows = new float[shape.width()][t];
    IntStream.range(0, rows.length)
        .parallel()
        .forEach(
            i -> {
              double[] sum = new double[t];
              for (int c = 0; c < k.length; c++) {
                double a = keys.get(i, c);
                float[] from = k[c];
                for (int j = 0; a != 0 && j < t; j++) { // pairs mix with those of their frequency
                  sum[j] += a * from[j];
                }
              }
              for (int j = 0; j < t; j++) {
                rows[i][j] = (float) sum[j];
              }
            });
    return rows;
  }

  private static double[][] transposed(float[][] x) {
    double[][] out = new double[x[0].length][x.length];
    for (int i = 0; i < out.length; i++) {
      for (int c = 0; c < x.length; c++) {
        out[i][c] = x[c][i];
      }
    }
    return out;
  }

  private static float[][] column(float[] x, int rows, int stride, int from, int width) {
    float[][] out = new float[width][rows];
    for (int i = 0; i < rows; i++) {
      for (int c = 0; c < width; c++) {
        out[c][i] = x[i * stride + from + c];
      }
    }
    return out;
  }
}
