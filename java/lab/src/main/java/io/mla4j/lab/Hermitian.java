package io.mla4j.lab;

import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.EigenDecomposition_F64;

/**
 * Eigenvalues and eigenvectors of symmetric and Hermitian matrices, largest first.
 *
 * <p>EJML decomposes real matrices alone: a Hermitian S = X + iY has the eigenvalues of the real
 * symmetric [[X, -Y], [Y, X]], each twice, with [u; v] for the eigenvector u + iv.
 *
 * @param values n eigenvalues, falling
 * @param re real parts of the eigenvectors, as columns
 * @param im imaginary parts
 */
record Hermitian(double[] values, DMatrixRMaj re, DMatrixRMaj im) {
  /** Of the two vectors for each eigenvalue the second is i times the first, up to rounding. */
  private static final double SAME = 1e-5;

  /** Of X + iY; Y null for a real matrix. */
  static Hermitian of(DMatrixRMaj x, DMatrixRMaj y) {
    int n = x.numRows;
    if (y == null) {
      Hermitian real = symmetric(x);
      return new Hermitian(real.values, real.re, new DMatrixRMaj(n, n));
    }
    DMatrixRMaj twice = new DMatrixRMaj(2 * n, 2 * n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        twice.set(i, j, x.get(i, j));
        twice.set(n + i, n + j, x.get(i, j));
        twice.set(i, n + j, -y.get(i, j));
        twice.set(n + i, j, y.get(i, j));
      }
    }
    Hermitian all = symmetric(twice);
    double[] values = new double[n];
    DMatrixRMaj re = new DMatrixRMaj(n, n);
    DMatrixRMaj im = new DMatrixRMaj(n, n);
    int found = 0;
    for (int k = 0; k < 2 * n && found < n; k++) {
      double[] u = new double[n];
      double[] v = new double[n];
      for (int i = 0; i < n; i++) {
        u[i] = all.re.get(i, k);
        v[i] = all.re.get(n + i, k);
      }
      // Twice, since what is left of a vector that is nearly taken is mostly rounding.
      for (int pass = 0; pass < 2; pass++) {
        for (int c = 0; c < found; c++) {
          removeColumn(re, im, c, u, v);
        }
      }
      double norm = 0;
      for (int i = 0; i < n; i++) {
        norm += u[i] * u[i] + v[i] * v[i];
      }
      if (norm > SAME) {
        norm = Math.sqrt(norm);
        for (int i = 0; i < n; i++) {
          re.set(i, found, u[i] / norm);
          im.set(i, found, v[i] / norm);
        }
        values[found++] = all.values[k];
      }
    }
    return new Hermitian(values, re, im);
  }

  /** Takes (column c)^H (u + iv) times the column from u + iv. */
  private static void removeColumn(DMatrixRMaj re, DMatrixRMaj im, int c, double[] u, double[] v) {
    double a = 0;
    double b = 0;
    for (int i = 0; i < u.length; i++) {
      a += re.get(i, c) * u[i] + im.get(i, c) * v[i];
      b += re.get(i, c) * v[i] - im.get(i, c) * u[i];
    }
    for (int i = 0; i < u.length; i++) {
      u[i] -= a * re.get(i, c) - b * im.get(i, c);
      v[i] -= a * im.get(i, c) + b * re.get(i, c);
    }
  }

  /** Of a real symmetric matrix; the imaginary parts are null. */
  static Hermitian symmetric(DMatrixRMaj x) {
    int n = x.numRows;
    EigenDecomposition_F64<DMatrixRMaj> eig = DecompositionFactory_DDRM.eig(n, true, true);
    if (!eig.decompose(x.copy())) {
      throw new LabException("a matrix of statistics has no eigenvectors: it holds no numbers");
    }
    Integer[] order = new Integer[n];
    for (int i = 0; i < n; i++) {
      order[i] = i;
    }
    Arrays.sort(
        order,
        (a, b) -> Double.compare(eig.getEigenvalue(b).getReal(), eig.getEigenvalue(a).getReal()));
    double[] values = new double[n];
    DMatrixRMaj vectors = new DMatrixRMaj(n, n);
    for (int k = 0; k < n; k++) {
      values[k] = eig.getEigenvalue(order[k]).getReal();
      DMatrixRMaj vector = eig.getEigenVector(order[k]);
      for (int i = 0; i < n; i++) {
        vectors.set(i, k, vector.get(i));
      }
    }
    return new Hermitian(values, vectors, null);
  }
}
