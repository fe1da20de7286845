package io.mla4j.lab;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.text.Model;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * One conversion and what it costs: the perplexity of the original, of the conversion with every
 * number of the latent, whose loss is that of the rotation alone, and of the conversion as asked.
 *
 * @param original perplexity of the model that was converted
 * @param placed of the conversion with the widest latent
 * @param converted of the conversion
 */
public record Trial(double original, double placed, double converted) {

  /**
   * Converts and evaluates.
   *
   * @param evaluated ids that are scored
   * @param out the folder that is made
   */
  public static Trial run(
      Converter converter,
      Converter.Plan plan,
      int[][] calibration,
      Evaluation evaluated,
      Path out,
      IntConsumer progress)
      throws IOException {
    Converter.Plan whole = plan.with(converter.widestLatent(plan.rope()));
    List<List<LatentLayer>> made = converter.convert(List.of(plan, whole), calibration, progress);
    Path folder = Files.createTempDirectory(out.toAbsolutePath().getParent(), ".mla4j-trial");
    Thread cleaner = new Thread(() -> Converter.remove(folder));
    Runtime.getRuntime().addShutdownHook(cleaner);
    try {
      Path first = folder.resolve("whole");
      converter.write(made.get(1), plan.form(), first);
      Trial trial =
          new Trial(
              evaluated.perplexity(converter.directory()),
              evaluated.perplexity(first),
              evaluate(converter, made.getFirst(), plan, evaluated, folder.resolve("asked")));
      converter.write(made.getFirst(), plan.form(), out);
      return trial;
    } finally {
      Converter.remove(folder);
      try {
        Runtime.getRuntime().removeShutdownHook(cleaner);
      } catch (IllegalStateException e) {
        // the process ends, and the hook does the same
      }
    }
  }

  private static double evaluate(
      Converter converter,
      List<LatentLayer> layers,
      Converter.Plan plan,
      Evaluation evaluated,
      Path folder) {
    converter.write(layers, plan.form(), folder);
    return evaluated.perplexity(folder);
  }

  /**
   * A text that is scored, in float32, in windows that start with BOS.
   *
   * @param device that computes; stays open
   * @param ids of the text
   * @param bos the id that starts a window
   */
  public record Evaluation(Device device, int[] ids, int bos) {
    /** exp of the mean negative log-likelihood of the ids. */
    double perplexity(Path directory) {
      double[] sum = new double[1];
      int each = Converter.WINDOW - 1;
      try (Model model =
          Model.builder(directory)
              .device(device)
              .compute(ComputeType.F32)
              .cacheType(CacheType.F32)
              .withoutTokenizer()
              .open()) {
        for (int at = 0; at < ids.length; at += each) {
          int count = Math.min(each, ids.length - at);
          int[] window = new int[count + 1];
          window[0] = bos;
          System.arraycopy(ids, at, window, 1, count);
          model.logits(
              new int[][] {window},
              (_, position, logits) -> {
                if (position < count) {
                  sum[0] += loss(logits.toArray(), window[position + 1]);
                }
              });
        }
      }
      return Math.exp(sum[0] / ids.length);
    }

    private static double loss(float[] logits, int id) {
      float largest = Float.NEGATIVE_INFINITY;
      for (float logit : logits) {
        largest = Math.max(largest, logit);
      }
      double sum = 0;
      for (float logit : logits) {
        sum += Math.exp(logit - largest);
      }
      return largest + Math.log(sum) - logits[id];
    }
  }
}
