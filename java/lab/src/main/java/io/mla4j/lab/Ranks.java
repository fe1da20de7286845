package io.mla4j.lab;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How many numbers of a latent each layer has within a budget of bytes.
 *
 * <p>What a rank r costs layer l is taken as {@code a_l lost_l(r)}: lost_l is the share of the
 * squared singular values behind the first r, and a_l comes from one measurement, the divergence of
 * the model whose layer l alone is cut, from the one that is not cut, over lost_l there. Costs of
 * layers are added; the budget goes, step by step, where a byte takes most of them away. Steps are
 * those of the cache's rows, which are multiples of 64 bytes.
 *
 * @param widest the widest latent
 * @param rope rotated elements of the shared key
 */
record Ranks(int widest, int rope) {
  private static final CacheType TYPE = CacheType.BF16;

  /** Bytes of a row with such a latent, in bf16. */
  long bytes(int latent) {
    return new LatentLayout(latent, rope, TYPE).tokenBytes();
  }

  /** The widest latents of each size of a row, ascending. */
  List<Integer> steps() {
    List<Integer> steps = new ArrayList<>();
    for (int latent = 1; latent <= widest; latent++) {
      if (latent == widest || bytes(latent + 1) > bytes(latent)) {
        steps.add(latent);
      }
    }
    return steps;
  }

  /**
   * The widest latent for all layers alike.
   *
   * @param budget bytes of a token in all layers, in bf16
   * @throws LabException where not even the narrowest fits
   */
  int same(int layers, long budget) {
    return steps().stream()
        .filter(latent -> layers * bytes(latent) <= budget)
        .reduce((_, larger) -> larger)
        .orElseThrow(() -> tooSmall(layers, budget));
  }

  private LabException tooSmall(int layers, long budget) {
    return new LabException(
        "--budget is "
            + budget
            + ", but "
            + layers
            + " layers with --rope "
            + rope
            + " take "
            + layers * bytes(1)
            + " bytes a token or more");
  }

  /**
   * A latent for each layer.
   *
   * @param costs a_l
   * @param spectra squared singular values of each layer, falling
   */
  int[] each(double[] costs, List<double[]> spectra, long budget) {
    List<Integer> steps = steps();
    int layers = costs.length;
    if (layers * bytes(steps.getFirst()) > budget) {
      throw tooSmall(layers, budget);
    }
    int[] at = new int[layers];
    long spent = layers * bytes(steps.getFirst());
    while (true) {
      int best = -1;
      double most = -1;
      for (int l = 0; l < layers; l++) {
        if (at[l] + 1 == steps.size()) {
          continue;
        }
        int now = steps.get(at[l]);
        int next = steps.get(at[l] + 1);
        long more = bytes(next) - bytes(now);
        double gain = costs[l] * (lost(spectra.get(l), now) - lost(spectra.get(l), next)) / more;
        if (spent + more <= budget && gain > most) {
          best = l;
          most = gain;
        }
      }
      if (best < 0) {
        return Arrays.stream(at).map(steps::get).toArray();
      }
      spent += bytes(steps.get(at[best] + 1)) - bytes(steps.get(at[best]));
      at[best]++;
    }
  }

  /** The share of squared singular values behind the first {@code rank}. */
  static double lost(double[] worth, int rank) {
    double all = 0;
    double rest = 0;
    for (int i = 0; i < worth.length; i++) {
      all += worth[i];
      rest += i < rank ? 0 : worth[i];
    }
    return all > 0 ? rest / all : 0;
  }

  /**
   * Measures a_l by cutting one layer after the other.
   *
   * @param latent that a layer is cut to
   * @param probe a text, best of the calibration
   * @param whole the model that is not cut; others are made beside it
   */
  double[] costs(Placed placed, int latent, Evaluation probe, Path whole) {
    List<double[]> spectra = placed.spectra();
    double[] costs = new double[spectra.size()];
    for (int l = 0; l < costs.length; l++) {
      int[] cut = new int[costs.length];
      Arrays.fill(cut, widest);
      cut[l] = latent;
      Path other = whole.resolveSibling("cut" + l);
      try (Scratch _ = Scratch.of(other)) {
        placed.write(cut, other);
        double divergence =
            probe.compare(whole, other, List.of(CacheType.F32)).getFirst().divergence();
        double share = lost(spectra.get(l), latent);
        costs[l] = share > 0 ? Math.max(0, divergence) / share : 0;
      }
    }
    return costs;
  }
}
