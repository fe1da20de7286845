package io.mla4j.lab;

import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * The laboratory's own placement. The groups' keys are mixed by complex matrices in units of
 * squared scores; those components stay rotated whose lost rotation would harm most, {@code
 * lambda_l,c (1 - mean_h |w_h,l|^2)} with w the mean rotation under the attention, wherever their
 * frequencies are; and what the other ones lost is fitted by a complex multiplier for each head and
 * frequency, and by an ALiBi slope for each head.
 *
 * <p>Its parts have relatives: complex instead of orthogonal mixing extends RoRoPE
 * (arXiv:2502.07864); a free choice among pairs of dimensions is that of EliteKV (arXiv:2503.01586)
 * for heads without mixing; a metric that knows the queries is common for caches of low rank.
 *
 * @param free whether any components may stay rotated, which needs a table of frequencies for each
 *     layer; else each frequency has as many
 * @param fit how the multipliers are found
 */
record FittedRope(boolean free, MultiplierFit fit) implements Placing {
  @Override
  public Placement place(Moments moments, int width) {
    GroupedShape shape = moments.shape();
    Mixing mixing = Mixing.of(moments, Mixing.Kind.WEIGHTED, 1);
    int slots = width / 2;
    int[] components;
    if (free) {
      double[] harm = harm(moments, mixing);
      components =
          IntStream.range(0, shape.components())
              .boxed()
              .sorted(Comparator.comparingDouble(c -> -harm[c]))
              .limit(slots)
              .sorted()
              .mapToInt(c -> c)
              .toArray();
    } else {
      if (slots % shape.pairs() != 0) {
        throw new LabException(
            "--rope is "
                + width
                + ", but fixed frequencies need a multiple of "
                + shape.width()
                + ": as many at each frequency");
      }
      components =
          IntStream.range(0, slots)
              .map(i -> i % shape.pairs() * shape.groups() + i / shape.pairs())
              .toArray();
    }
    return fit.apply(moments, Placement.plain(shape, mixing, components));
  }

  private static double[] harm(Moments moments, Mixing mixing) {
    GroupedShape shape = moments.shape();
    double[] harm = mixing.energy().clone();
    for (int c = 0; c < harm.length; c++) {
      int l = c / shape.groups();
      double kept = 0;
      for (int h = 0; h < shape.heads(); h++) {
        double u = moments.lagMean()[0][h][l];
        double v = moments.lagMean()[1][h][l];
        kept += (u * u + v * v) / shape.heads();
      }
      harm[c] *= 1 - kept;
    }
    return harm;
  }
}
