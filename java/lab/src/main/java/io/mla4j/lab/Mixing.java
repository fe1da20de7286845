package io.mla4j.lab;

import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;

/**
 * Components of the keys of all groups: at each pair l the groups' keys are complex numbers z_l in
 * C^G, and every invertible complex matrix A_l commutes with the rotation, so y_l = A_l^-1 z_l can
 * be cached in place of z_l. Blocks may be of several neighbouring pairs, whose frequencies are
 * then taken as equal (FreqFold of TransMLA, arXiv:2502.07864, section 4.3).
 *
 * <p>Component l G + g stands at index l G + g of z and y.
 *
 * @param re real part of A (components, components), which has blocks on its diagonal
 * @param im imaginary part of A
 * @param inverseRe real part of A^-1
 * @param inverseIm imaginary part of A^-1
 * @param energy of each component of y, in the units of its kind
 */
record Mixing(
    DMatrixRMaj re, DMatrixRMaj im, DMatrixRMaj inverseRe, DMatrixRMaj inverseIm, double[] energy) {

  /** How the blocks are found. */
  enum Kind {
    /** No mixing: y = z. */
    NONE,
    /** Eigenvectors of the real part of E[z z^H]: orthogonal (RoRoPE of TransMLA). */
    REAL,
    /** Eigenvectors of E[z z^H]: unitary, never less energy in the first components. */
    COMPLEX,
    /**
     * The same in units of squared scores: with s the root of the queries' energies at a group, U
     * eigenvectors of diag(s) E[z z^H] diag(s), A = diag(1 / s) U.
     */
    WEIGHTED
  }

  /**
   * The mixing of a layer.
   *
   * @param fold neighbouring pairs of a block, which divides them
   */
  static Mixing of(Moments moments, Kind kind, int fold) {
    GroupedShape shape = moments.shape();
    int all = shape.components();
    int block = shape.groups() * fold;
    DMatrixRMaj keys = moments.keyMoments();
    double[] scale = kind == Kind.WEIGHTED ? queryScale(moments) : ones(all);
    Mixing mixing =
        new Mixing(
            new DMatrixRMaj(all, all),
            new DMatrixRMaj(all, all),
            new DMatrixRMaj(all, all),
            new DMatrixRMaj(all, all),
            new double[all]);
    for (int from = 0; from < all; from += block) {
      DMatrixRMaj x = new DMatrixRMaj(block, block);
      DMatrixRMaj y = new DMatrixRMaj(block, block);
      for (int i = 0; i < block; i++) {
        for (int j = 0; j < block; j++) {
          int a = key(shape, from + i);
          int b = key(shape, from + j);
          int n = shape.pairs();
          double s = scale[from + i] * scale[from + j];
          x.set(i, j, s * (keys.get(a, b) + keys.get(a + n, b + n)));
          y.set(i, j, s * (keys.get(a + n, b) - keys.get(a, b + n)));
        }
      }
      mixing.setBlock(from, block, kind, Hermitian.of(x, kind == Kind.REAL ? null : y), x, scale);
    }
    return mixing;
  }

  private void setBlock(
      int from, int n, Kind kind, Hermitian eigen, DMatrixRMaj moments, double[] scale) {
    for (int i = 0; i < n; i++) {
      energy[from + i] = kind == Kind.NONE ? moments.get(i, i) : eigen.values()[i];
      for (int j = 0; j < n; j++) {
        double u = kind == Kind.NONE ? (i == j ? 1 : 0) : eigen.re().get(i, j);
        double v = kind == Kind.NONE ? 0 : eigen.im().get(i, j);
        double s = scale[from + i];
        re.set(from + i, from + j, u / s);
        im.set(from + i, from + j, v / s);
        inverseRe.set(from + j, from + i, u * s);
        inverseIm.set(from + j, from + i, -v * s);
      }
    }
  }

  /** The row of W_K with the real part of component l G + g; the imaginary one is N behind it. */
  static int key(GroupedShape shape, int component) {
    int g = component % shape.groups();
    int l = component / shape.groups();
    return g * shape.width() + l;
  }

  private static double[] queryScale(Moments moments) {
    GroupedShape shape = moments.shape();
    double[][] energy = moments.queryEnergy();
    double[] scale = new double[shape.components()];
    for (int c = 0; c < scale.length; c++) {
      double sum = 0;
      for (int r = 0; r < shape.sharing(); r++) {
        sum += energy[c % shape.groups() * shape.sharing() + r][c / shape.groups()];
      }
      // A group that no query ever asks is still mixed invertibly.
      scale[c] = Math.sqrt(Math.max(sum, 1e-12));
    }
    return scale;
  }

  private static double[] ones(int n) {
    double[] ones = new double[n];
    Arrays.fill(ones, 1);
    return ones;
  }
}
