package io.mla4j.lab;

import io.mla4j.checkpoint.TensorRole;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/** Attention of one layer to a text, and the sums that make its {@link Moments}. */
final class LayerStatistics {
  /** Windows that fits see. */
  private static final int KEPT = 24;

  private final Source source;
  private final GroupedShape shape;
  private final int window;
  private final int layer;
  private final DMatrixRMaj inputs;
  private final DMatrixRMaj[] queries;
  private final double[][] lags;
  private final double[] deviation;
  private final DMatrixRMaj output;
  private final DMatrixRMaj[] seen;
  private final List<Moments.Window> kept = new ArrayList<>();
  private long tokens;

  LayerStatistics(Source source, int layer, int window) {
    this.source = source;
    this.shape = source.shape();
    this.window = window;
    this.layer = layer;
    int w = shape.width();
    inputs = new DMatrixRMaj(source.inputs(), source.inputs());
    queries = new DMatrixRMaj[shape.heads()];
    seen = new DMatrixRMaj[shape.heads()];
    lags = new double[shape.heads()][window];
    deviation = new double[shape.heads()];
    output = source.projection(layer, TensorRole.ATTENTION_OUTPUT, null);
    for (int h = 0; h < shape.heads(); h++) {
      queries[h] = new DMatrixRMaj(w, w);
      DMatrixRMaj own = Matrices.columns(output, h * w, w);
      seen[h] = Matrices.transposedMultiply(own, own);
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
    addInputs(x, rows);
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

  private void addInputs(float[] x, int rows) {
    int n = source.model().hidden();
    int all = source.inputs();
    double[][] wide = new double[rows][all];
    for (int t = 0; t < rows; t++) {
      for (int j = 0; j < n; j++) {
        wide[t][j] = x[t * n + j];
      }
      Arrays.fill(wide[t], n, all, 1);
    }
    IntStream.range(0, all)
        .parallel()
        .forEach(
            i -> {
              double[] sum = new double[all];
              for (double[] row : wide) {
                double a = row[i];
                for (int j = 0; j < all; j++) {
                  sum[j] += a * row[j];
                }
              }
              for (int j = 0; j < all; j++) {
                inputs.add(i, j, sum[j]);
              }
            });
  }

  private void attend(int h, float[] q, float[] k, float[] v, float[] out) {
    int w = shape.width();
    int qw = shape.heads() * w;
    int kw = shape.keyWidth();
    int own = h / shape.sharing() * w;
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
      float[][] a = AttentionWindow.probabilities(shape, query, key, window);
      float[][] mixed = AttentionWindow.mix(a, value);
      for (int i = 0; i < window; i++) {
        System.arraycopy(mixed[i], 0, out, (at + i) * qw + h * w, w);
      }
      addQueries(queries[h], query);
      addAttention(h, a, value, mixed);
    }
  }

  private void addQueries(DMatrixRMaj sum, float[][] query) {
    for (int i = 0; i < query.length; i++) {
      for (int j = 0; j < query.length; j++) {
        double s = 0;
        for (int t = 0; t < window; t++) {
          s += (double) query[i][t] * query[j][t];
        }
        sum.add(i, j, s);
      }
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
  private static double norm(DMatrixRMaj m, float[] x) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      double row = 0;
      for (int j = 0; j < x.length; j++) {
        row += m.get(i, j) * x[j];
      }
      sum += x[i] * row;
    }
    return sum;
  }

  Moments moments() {
    CommonOps_DDRM.divide(inputs, tokens);
    double[][][] lagMean = new double[2][shape.heads()][shape.pairs()];
    for (int h = 0; h < shape.heads(); h++) {
      CommonOps_DDRM.divide(queries[h], tokens);
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
        inputs,
        queries,
        lagMean,
        deviation,
        kept);
  }
}
