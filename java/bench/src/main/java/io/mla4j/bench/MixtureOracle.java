package io.mla4j.bench;

import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Weight;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * A mixture of experts in double precision, one row: softmax over the router's logits, the
 * likeliest {@code topK}, sum of weight x down(silu(gate x) * up x).
 */
final class MixtureOracle {
  private MixtureOracle() {}

  static double[] row(Mixture.Weights mixture, double[] x) {
    double[] logits = product(mixture.router(), x);
    double max = IntStream.range(0, logits.length).mapToDouble(i -> logits[i]).max().orElse(0);
    double sum = 0;
    for (int i = 0; i < logits.length; i++) {
      logits[i] = Math.exp(logits[i] - max);
      sum += logits[i];
    }
    int[] chosen =
        IntStream.range(0, logits.length)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer i) -> -logits[i]))
            .limit(mixture.routing().topK())
            .mapToInt(i -> i)
            .toArray();
    double[] out = new double[x.length];
    for (int e : chosen) {
      FeedForward.Weights network = mixture.experts().get(e);
      double[] gate = product(network.gate(), x);
      double[] up = product(network.up(), x);
      for (int i = 0; i < gate.length; i++) {
        gate[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
      }
      double[] down = product(network.down(), gate);
      for (int i = 0; i < out.length; i++) {
        out[i] += logits[e] / sum * down[i];
      }
    }
    return out;
  }

  private static double[] product(Weight weight, double[] x) {
    double[] y = new double[weight.out()];
    float[] row = new float[x.length];
    for (int n = 0; n < y.length; n++) {
      weight.widen(n, 0, row, 0, x.length);
      for (int k = 0; k < x.length; k++) {
        y[n] += x[k] * row[k];
      }
    }
    return y;
  }
}
