package io.mla4j.lab;

import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * MHA2MLA's placement (Ji et al., "Towards Economical Inference: Enabling DeepSeek's Multi-Head
 * Latent Attention in Any Transformer-based LLMs", arXiv:2502.14837, section 3.1, the 2-norm
 * contribution): in each head of keys the pairs of the largest {@code sum_h |q_h,l| |k_l|} stay
 * rotated, without mixing. A shared key has those of all heads side by side.
 */
record PartialRope() implements Placing {
  @Override
  public Placement place(Moments moments, int width) {
    GroupedShape shape = moments.shape();
    int slots = width / 2;
    if (slots % shape.groups() != 0) {
      throw new LabException(
          "--rope is "
              + width
              + ", but this method needs a multiple of "
              + 2 * shape.groups()
              + ": as many pairs in each head of keys");
    }
    Mixing mixing = Mixing.of(moments, Mixing.Kind.NONE, 1);
    double[][] queries = moments.queryEnergy();
    double[] contribution = new double[shape.components()];
    for (int h = 0; h < shape.heads(); h++) {
      for (int l = 0; l < shape.pairs(); l++) {
        int c = l * shape.groups() + h / shape.sharing();
        contribution[c] += Math.sqrt(queries[h][l] * mixing.energy()[c]);
      }
    }
    int[] components =
        IntStream.range(0, shape.groups())
            .flatMap(
                g ->
                    IntStream.range(0, shape.pairs())
                        .map(l -> l * shape.groups() + g)
                        .boxed()
                        .sorted(Comparator.comparingDouble(c -> -contribution[c]))
                        .limit(slots / shape.groups())
                        .mapToInt(c -> c))
            .toArray();
    return Placement.plain(shape, mixing, components);
  }
}
