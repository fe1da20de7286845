package io.mla4j.lab;

import io.mla4j.checkpoint.TensorRole;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;

/** Attention of one layer to a text, and the sums that make its {@link Moments}. */
final class LayerStatistics {
  /** Windows that fits see. */
  static final int KEPT = 24;

  private final Source source;
  private final GroupedShape shape;
  private final int window;
  private final AttentionWindow attention;
  private final int layer;
  private final SecondMoments inputs;
  private final SecondMoments[] queries;
  private final double[][] lags;
  private final double[] deviation;
  private final DMatrixRMaj output;

  /** W_O,h^T W_O,h of each head, as rows. */
  private final double[][][] seen;

  private final List<Moments.Window> kept = new ArrayList<>();
  private long tokens;

  LayerStatistics(Source source, int layer, int window) {
    this.source = source;
    this.shape = source.shape();
    this.window = window;
    attention = new AttentionWindow(shape, window);
    this.layer = layer;
    int w = shape.width();
    inputs = new SecondMoments(source.inputs());
    queries = new SecondMoments[shape.heads()];
    seen = new double[shape.heads()][][];
    lags = new double[shape.heads()][window];
    deviation = new double[shape.heads()];
    output = source.projection(layer, TensorRole.ATTENTION_OUTPUT, null);
    for (int h = 0; h < shape.heads(); h++) {
      queries[h] = new SecondMoments(w);
      DMatrixRMaj own = Matrices.columns(output, h * w, w);
      seen[h] = Accumulation.rows(Matrices.transposedMultiply(own, own));
    }
  }

  /**
   * Attends within some windows.
   *
   * @param x (rows, hidden) normed inputs
   * @param q (rows, heads x width)
   * @param k (rows, groups x width)
   * @param v (rows, groups x width)
   * @return (rows, heads x width), what goes into the output projection
   */
  float[] add(float[] x, float[] q, float[] k, float[] v) {
    int rows = q.length / (shape.heads() * shape.width());
    inputs.add(x, source.model().hidden(), 0, rows);
    tokens += rows;
    float[] out = new float[q.length];
    IntStream.range(0, shape.heads()).parallel().forEach(h -> attend(h, q, k, v, out));
    int qw = shape.heads() * shape.width();
    int kw = shape.keyWidth();
    for (int at = 0; at < rows && kept.size() < KEPT; at += window) {
      kept.add(
          new Moments.Window(
              window,
              Arrays.copyOfRange(q, at * qw, (at + window) * qw),
              Arrays.copyOfRange(k, at * kw, (at + window) * kw)));
    }
    return out;
  }

  private void attend(int h, float[] q, float[] k, float[] v, float[] out) {
    int w = shape.width();
    int qw = shape.heads() * w;
    int kw = shape.keyWidth();
    int own = h / shape.sharing() * w;
    queries[h].add(q, qw, h * w, q.length / qw);
    for (int at = 0; at < q.length / qw; at += window) {
      float[][] query = new float[w][window];
      float[][] key = new float[w][window];
      float[][] value = new float[window][w];
      for (int i = 0; i < window; i++) {
        for (int c = 0; c < w; c++) {
          query[c][i] = q[(at + i) * qw + h * w + c];
          key[c][i] = k[(at + i) * kw + own + c];
          value[i][c] = v[(at + i) * kw + own + c];
        }
      }
      float[][] a = attention.probabilities(query, key);
      float[][] mixed = AttentionWindow.mix(a, value);
      for (int i = 0; i < window; i++) {
        System.arraycopy(mixed[i], 0, out, (at + i) * qw + h * w, w);
      }
      addAttention(h, a, value, mixed);
    }
  }

  private void addAttention(int h, float[][] a, float[][] value, float[][] mixed) {
    double[] norms = new double[window];
    for (int j = 0; j < window; j++) {
      norms[j] = norm(seen[h], value[j]);
    }
    for (int i = 0; i < window; i++) {
      double mean = 0;
      for (int j = 0; j <= i; j++) {
        lags[h][i - j] += a[i][j];
        mean += a[i][j] * norms[j];
      }
      deviation[h] += mean - norm(seen[h], mixed[i]);
    }
  }

  /** x^T m x. */
  private static double norm(double[][] m, float[] x) {
    int n = x.length;
    double[] y = new double[n];
    for (int i = 0; i < n; i++) {
      double a = x[i];
      double[] row = m[i];
      for (int j = 0; j < n; j++) {
        y[j] += a * row[j];
      }
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += y[i] * x[i];
    }
    return sum;
  }

  Moments moments() {
    double[][][] lagMean = new double[2][shape.heads()][shape.pairs()];
    for (int h = 0; h < shape.heads(); h++) {
      deviation[h] = Math.max(0, deviation[h] / tokens);
      for (int l = 0; l < shape.pairs(); l++) {
        for (int lag = 0; lag < window; lag++) {
          double angle = lag * shape.frequencies()[l];
          lagMean[0][h][l] += lags[h][lag] / tokens * Math.cos(angle);
          lagMean[1][h][l] -= lags[h][lag] / tokens * Math.sin(angle);
        }
      }
    }
    return new Moments(
        shape,
        source.projection(layer, TensorRole.KEY, TensorRole.KEY_BIAS),
        source.projection(layer, TensorRole.VALUE, TensorRole.VALUE_BIAS),
        source.projection(layer, TensorRole.QUERY, TensorRole.QUERY_BIAS),
        output,
        inputs.mean(),
        Arrays.stream(queries).map(SecondMoments::mean).toArray(DMatrixRMaj[]::new),
        lagMean,
        deviation,
        kept);
  }
}
