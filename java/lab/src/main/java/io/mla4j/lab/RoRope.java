package io.mla4j.lab;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * TransMLA's placement (Meng et al., "TransMLA: MLA Is All You Need", arXiv:2502.07864, section
 * 4.2, RoRoPE, and 4.3, FreqFold): at each frequency the principal components of the groups' keys
 * by an orthogonal matrix for real and imaginary parts alike; the first of them stay rotated, as
 * many at each frequency. Where there are fewer slots than frequencies, those whose first component
 * has the most energy have one.
 *
 * @param fold neighbouring frequencies that are taken as equal, 1 for none
 */
record RoRope(int fold) implements Placing {
  @Override
  public Placement place(Moments moments, int width) {
    GroupedShape shape = moments.shape();
    if (shape.pairs() % fold != 0) {
      throw new LabException(
          "FreqFold is " + fold + ", but must divide the " + shape.pairs() + " pairs of a head");
    }
    Mixing mixing = Mixing.of(moments, Mixing.Kind.REAL, fold);
    int slots = width / 2;
    int block = shape.groups() * fold;
    int blocks = shape.pairs() / fold;
    int each = slots / blocks;
    int[] components;
    if (each == 0) {
      components =
          IntStream.range(0, blocks)
              .map(b -> b * block)
              .boxed()
              .sorted(Comparator.comparingDouble(c -> -mixing.energy()[c]))
              .limit(slots)
              .sorted()
              .mapToInt(c -> c)
              .toArray();
    } else {
      if (slots % blocks != 0) {
        throw new LabException(
            "--rope is "
                + width
                + ", but this method needs less than "
                + 2 * blocks
                + " or a multiple of it: as many at each frequency");
      }
      components =
          IntStream.range(0, blocks)
              .flatMap(b -> IntStream.range(0, each).map(j -> b * block + j))
              .toArray();
    }
    double[] frequencies =
        Arrays.stream(components)
            .mapToDouble(c -> shape.frequencies()[c / block * fold + c % block % fold])
            .toArray();
    return Placement.plain(shape, mixing, components, frequencies);
  }
}
