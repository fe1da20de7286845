package io.mla4j.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
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
  /** Models that are evaluated. */
  public static final int EVALUATIONS = 3;

  /**
   * Converts and evaluates.
   *
   * @param evaluated ids that are scored
   * @param out the folder that is made
   * @param progress is told each layer, then each evaluation, that is done
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
    try (Scratch scratch = Scratch.in(out.toAbsolutePath().getParent())) {
      Path asked = scratch.folder().resolve("asked");
      Path first = scratch.folder().resolve("whole");
      converter.convert(List.of(plan, whole), List.of(asked, first), calibration, progress);
      double[] perplexities = new double[EVALUATIONS];
      List<Path> models = List.of(converter.directory(), first, asked);
      for (int i = 0; i < EVALUATIONS; i++) {
        perplexities[i] = evaluated.perplexity(models.get(i));
        progress.accept(converter.layers() + i);
      }
      if (Files.exists(out)) {
        throw new LabException("--out is " + out + ", which is there already; name another folder");
      }
      Files.move(asked, out, StandardCopyOption.ATOMIC_MOVE);
      return new Trial(perplexities[0], perplexities[1], perplexities[2]);
    }
  }
}
