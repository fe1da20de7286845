package io.mla4j.lab;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;

/**
 * Which components of the keys stay rotated, and what the others are multiplied by: the part of a
 * conversion that decides what is lost of the positions.
 *
 * @param mixing of the groups' keys
 * @param components those that stay rotated
 * @param frequencies radians per position of each of them
 * @param multipliers real and imaginary part (heads, pairs) each of w: head h sees {@code w_h,l
 *     sum_c A_l[g(h), c] y_l,c} over the components that are not rotated. It stands for the mean
 *     rotation that they lost and is folded into the up-projection
 * @param slopes of each head's ALiBi, 0 or more: {@code score(i, j) -= slope (i - j)}
 */
record Placement(
    Mixing mixing,
    int[] components,
    double[] frequencies,
    double[][][] multipliers,
    double[] slopes) {

  /** A placement whose multipliers are 1: the rotation is lost as if all lags were 0. */
  static Placement plain(
      GroupedShape shape, Mixing mixing, int[] components, double[] frequencies) {
    double[][][] one = new double[2][shape.heads()][shape.pairs()];
    for (double[] head : one[0]) {
      Arrays.fill(head, 1);
    }
    return new Placement(mixing, components, frequencies, one, new double[shape.heads()]);
  }

  /** The same with components at their own frequencies. */
  static Placement plain(GroupedShape shape, Mixing mixing, int[] components) {
    double[] frequencies = new double[components.length];
    for (int i = 0; i < components.length; i++) {
      frequencies[i] = shape.frequencies()[components[i] / shape.groups()];
    }
    return plain(shape, mixing, components, frequencies);
  }

  Placement with(double[][][] otherMultipliers, double[] otherSlopes) {
    return new Placement(mixing, components, frequencies, otherMultipliers, otherSlopes);
  }

  /** Components that are not rotated, ascending. */
  int[] rest() {
    boolean[] rotated = new boolean[mixing.energy().length];
    for (int c : components) {
      rotated[c] = true;
    }
    return IntStream.range(0, rotated.length).filter(c -> !rotated[c]).toArray();
  }

  /**
   * Rows that make components of y of the keys before rotation: their real parts at {@code at(2 i)}
   * and imaginary ones.
   *
   * @param pairs whether real and imaginary part are neighbours, else all real parts come first
   */
  private DMatrixRMaj fromKeys(GroupedShape shape, int[] chosen, boolean pairs) {
    int m = chosen.length;
    DMatrixRMaj out = new DMatrixRMaj(2 * m, shape.keyWidth());
    for (int i = 0; i < m; i++) {
      int real = pairs ? 2 * i : i;
      int imaginary = pairs ? 2 * i + 1 : m + i;
      for (int c = 0; c < shape.components(); c++) {
        double a = mixing.inverseRe().get(chosen[i], c);
        double b = mixing.inverseIm().get(chosen[i], c);
        int key = Mixing.key(shape, c);
        out.set(real, key, a);
        out.set(real, key + shape.pairs(), -b);
        out.set(imaginary, key, b);
        out.set(imaginary, key + shape.pairs(), a);
      }
    }
    return out;
  }

  /** (2 components, groups x width): the rotated shared key of the keys, pairs side by side. */
  DMatrixRMaj rotatedOfKeys(GroupedShape shape) {
    return fromKeys(shape, components, true);
  }

  /** (2 rest, groups x width): what is cached without rotation, real parts first. */
  DMatrixRMaj plainOfKeys(GroupedShape shape) {
    return fromKeys(shape, rest(), false);
  }

  /**
   * (2 components, width): the query of head h for the rotated shared key, of its own query: {@code
   * sum_l q_h,l conj(A_l[g(h), c])}, pairs side by side.
   */
  DMatrixRMaj rotatedOfQuery(GroupedShape shape, int h) {
    int n = shape.pairs();
    DMatrixRMaj out = new DMatrixRMaj(2 * components.length, shape.width());
    for (int i = 0; i < components.length; i++) {
      for (int l = 0; l < n; l++) {
        int z = l * shape.groups() + h / shape.sharing();
        double a = mixing.re().get(z, components[i]);
        double b = mixing.im().get(z, components[i]);
        out.set(2 * i, l, a);
        out.set(2 * i, n + l, b);
        out.set(2 * i + 1, l, -b);
        out.set(2 * i + 1, n + l, a);
      }
    }
    return out;
  }

  /**
   * (width, 2 rest): the unrotated key that head h sees, of what is cached, multipliers included.
   */
  DMatrixRMaj keyOfPlain(GroupedShape shape, int h) {
    int n = shape.pairs();
    int[] rest = rest();
    int m = rest.length;
    DMatrixRMaj out = new DMatrixRMaj(shape.width(), 2 * m);
    for (int l = 0; l < n; l++) {
      int z = l * shape.groups() + h / shape.sharing();
      double u = multipliers[0][h][l];
      double v = multipliers[1][h][l];
      for (int c = 0; c < m; c++) {
        double a = mixing.re().get(z, rest[c]);
        double b = mixing.im().get(z, rest[c]);
        double re = u * a - v * b;
        double im = u * b + v * a;
        out.set(l, c, re);
        out.set(l, m + c, -im);
        out.set(n + l, c, im);
        out.set(n + l, m + c, re);
      }
    }
    return out;
  }
}
