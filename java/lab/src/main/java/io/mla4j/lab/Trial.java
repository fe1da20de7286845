package io.mla4j.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * One conversion and what it costs: the perplexity of the original, of the conversion with every
 * number of the latent, whose loss is that of the rotation alone, and of the conversion as asked.
 *
 * @param original perplexity of the model that was converted
 * @param placed of the conversion with the widest latent
 * @param converted of the conversion
 * @param latents of each layer
 */
public record Trial(double original, double placed, double converted, List<Integer> latents) {
  /** Models that are evaluated. */
  public static final int EVALUATIONS = 3;

  /** Windows of the calibration text that tell what a layer's rank is worth. */
  private static final int PROBE = 4;

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
      return of(
          List.of(converter.directory(), first, asked),
          Collections.nCopies(converter.layers(), plan.latent()),
          evaluated,
          out,
          progress);
    }
  }

  /** Evaluates the original, what was placed, and what was asked for, which becomes {@code out}. */
  private static Trial of(
      List<Path> models,
      List<Integer> latents,
      Evaluation evaluated,
      Path out,
      IntConsumer progress)
      throws IOException {
    double[] perplexities = new double[EVALUATIONS];
    for (int i = 0; i < EVALUATIONS; i++) {
      perplexities[i] = evaluated.perplexity(models.get(i));
      progress.accept(latents.size() + i);
    }
    if (Files.exists(out)) {
      throw new LabException("--out is " + out + ", which is there already; name another folder");
    }
    Files.move(models.getLast(), out, StandardCopyOption.ATOMIC_MOVE);
    return new Trial(perplexities[0], perplexities[1], perplexities[2], latents);
  }

  /**
   * Converts and evaluates with a latent of its own width for each layer, where they are worth
   * most. Keeps the statistics of all layers in memory.
   *
   * @param plan whose latent does not matter
   * @param budget bytes of a token in all layers, in bf16
   */
  public static Trial perLayer(
      Converter converter,
      Converter.Plan plan,
      long budget,
      int[][] calibration,
      Evaluation evaluated,
      Path out,
      IntConsumer progress)
      throws IOException {
    Ranks ranks = new Ranks(converter.widestLatent(plan.rope()), plan.rope());
    int mean = ranks.same(converter.layers(), budget);
    try (Scratch scratch = Scratch.in(out.toAbsolutePath().getParent())) {
      Placed placed = converter.calibrate(calibration, progress).place(plan);
      Path whole = scratch.folder().resolve("whole");
      placed.write(ranks.widest(), whole);
      double[] costs = ranks.costs(placed, mean, evaluated.of(probe(calibration)), whole);
      int[] each = ranks.each(costs, placed.spectra(), budget);
      Path asked = scratch.folder().resolve("asked");
      placed.write(each, asked);
      return of(
          List.of(converter.directory(), whole, asked),
          Arrays.stream(each).boxed().toList(),
          evaluated,
          out,
          progress);
    }
  }

  /** The ids of the first windows, without what starts them. */
  private static int[] probe(int[][] calibration) {
    return Arrays.stream(calibration)
        .limit(PROBE)
        .flatMapToInt(window -> Arrays.stream(window).skip(1))
        .toArray();
  }
}
