package io.mla4j.lab;

import java.util.List;
import org.ejml.data.DMatrixRMaj;

/**
 * What a calibration text says about one layer of the original model; sums in float64.
 *
 * <p>A layer with biases has inputs with a last element that is always 1, so that biases are a
 * column of the matrices.
 *
 * @param shape heads, groups, frequencies
 * @param keyWeight W_K (groups x width, inputs)
 * @param valueWeight W_V (groups x width, inputs)
 * @param queryWeight W_Q (heads x width, inputs)
 * @param outputWeight W_O (hidden, heads x width)
 * @param inputs C = E[x x^T] of the normed inputs of attention
 * @param queries E[q_h q_h^T] (width, width) of each head, before rotation
 * @param lagMean real and imaginary part (heads, pairs) each of the mean rotation {@code sum_lag
 *     a_h(lag) e^(-i lag theta_l)}, a_h(lag) being the mean attention at a lag
 * @param deviation mean of {@code sum_j a_ij |W_O,h (v_j - o_i)|^2} of each head: what an error of
 *     its scores does to the output
 * @param windows some windows of the text, for fits
 */
record Moments(
    GroupedShape shape,
    DMatrixRMaj keyWeight,
    DMatrixRMaj valueWeight,
    DMatrixRMaj queryWeight,
    DMatrixRMaj outputWeight,
    DMatrixRMaj inputs,
    DMatrixRMaj[] queries,
    double[][][] lagMean,
    double[] deviation,
    List<Window> windows) {

  /**
   * A window of the calibration text.
   *
   * @param length tokens T
   * @param q (T, heads x width), before rotation
   * @param k (T, groups x width), before rotation
   */
  record Window(int length, float[] q, float[] k) {}

  /** E|q_h,l|^2 of each head and pair. */
  double[][] queryEnergy() {
    int n = shape.pairs();
    double[][] energy = new double[shape.heads()][n];
    for (int h = 0; h < shape.heads(); h++) {
      for (int l = 0; l < n; l++) {
        energy[h][l] = queries[h].get(l, l) + queries[h].get(n + l, n + l);
      }
    }
    return energy;
  }

  /** E[k k^T] (groups x width, groups x width), before rotation. */
  DMatrixRMaj keyMoments() {
    return Matrices.sandwich(keyWeight, inputs);
  }
}
