package io.mla4j.lab;

import java.io.IOException;
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
    try (Scratch scratch = Scratch.in(out.toAbsolutePath().getParent())) {
      Path folder = scratch.folder();
      Path first = folder.resolve("whole");
      converter.write(made.get(1), plan.form(), first);
      Trial trial =
          new Trial(
              evaluated.perplexity(converter.directory()),
              evaluated.perplexity(first),
              evaluate(converter, made.getFirst(), plan, evaluated, folder.resolve("asked")));
      converter.write(made.getFirst(), plan.form(), out);
      return trial;
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
}
