package io.mla4j.lab;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.text.Model;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A text that is scored, in float32, in windows that start with BOS.
 *
 * @param device that computes; stays open
 * @param ids of the text
 * @param bos the id that starts a window
 */
public record Evaluation(Device device, int[] ids, int bos) {
  /**
   * How a model reads the text.
   *
   * @param perplexity exp of the mean negative log-likelihood of the ids
   * @param divergence mean of KL(original || this), in nats a token
   */
  public record Score(double perplexity, double divergence) {}

  /** The same for another text. */
  Evaluation of(int[] others) {
    return new Evaluation(device, others, bos);
  }

  /** Perplexity with a cache of float32. */
  double perplexity(Path directory) {
    Sum sum = new Sum();
    try (Model model = open(directory, CacheType.F32)) {
      for (int[] window : windows()) {
        float[][] logits = logits(model, window);
        for (int t = 0; t + 1 < window.length; t++) {
          sum.loss += logSum(logits[t]) - logits[t][window[t + 1]];
        }
      }
    }
    return Math.exp(sum.loss / ids.length);
  }

  /**
   * Reads the text with a conversion and, beside it, with the original over a float32 cache.
   *
   * @param types of the conversion's cache
   * @return a score for each of them
   */
  public List<Score> compare(Path original, Path conversion, List<CacheType> types) {
    List<Model> models = new ArrayList<>();
    List<Sum> sums = new ArrayList<>();
    try (Model reference = open(original, CacheType.F32)) {
      for (CacheType type : types) {
        models.add(open(conversion, type));
        sums.add(new Sum());
      }
      for (int[] window : windows()) {
        float[][] exact = logits(reference, window);
        for (int m = 0; m < models.size(); m++) {
          sums.get(m).add(window, exact, logits(models.get(m), window));
        }
      }
    } finally {
      models.forEach(Model::close);
    }
    return sums.stream()
        .map(sum -> new Score(Math.exp(sum.loss / ids.length), sum.divergence / ids.length))
        .toList();
  }

  /** What is summed over the text. */
  private static final class Sum {
    private double loss;
    private double divergence;

    void add(int[] window, float[][] exact, float[][] logits) {
      for (int t = 0; t + 1 < window.length; t++) {
        double all = logSum(logits[t]);
        double exactAll = logSum(exact[t]);
        loss += all - logits[t][window[t + 1]];
        for (int i = 0; i < exact[t].length; i++) {
          double p = exact[t][i] - exactAll;
          divergence += Math.exp(p) * (p - (logits[t][i] - all));
        }
      }
    }
  }

  private Model open(Path directory, CacheType type) {
    return Model.builder(directory)
        .device(device)
        .compute(ComputeType.F32)
        .cacheType(type)
        .withoutTokenizer()
        .open();
  }

  private List<int[]> windows() {
    int each = Converter.WINDOW - 1;
    List<int[]> windows = new ArrayList<>();
    for (int at = 0; at < ids.length; at += each) {
      int count = Math.min(each, ids.length - at);
      int[] window = new int[count + 1];
      window[0] = bos;
      System.arraycopy(ids, at, window, 1, count);
      windows.add(window);
    }
    return windows;
  }

  private static float[][] logits(Model model, int[] window) {
    float[][] all = new float[window.length][];
    model.logits(new int[][] {window}, (_, position, logits) -> all[position] = logits.toArray());
    return all;
  }

  private static double logSum(float[] logits) {
    float largest = Float.NEGATIVE_INFINITY;
    for (float logit : logits) {
      largest = Math.max(largest, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - largest);
    }
    return largest + Math.log(sum);
  }
}
