package io.mla4j.lab;

import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.decomposition.TriangularSolver_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.CholeskyDecomposition_F64;

/**
 * What is cached without rotation, Y = [K; V], as a product of an up- and a down-projection whose
 * inner dimension is sorted by what it is worth: {@code Y = B D}, and the first r columns of B with
 * the first r rows of D are the best of rank r under a {@link Metric}. With L = R^T R and U the
 * eigenvectors of R Y C Y^T R^T: D = U^T R Y, B = R^-1 U.
 *
 * @param keys how many rows of B are unrotated components of the keys, the others being values
 * @param up B (rows of Y, rows of Y)
 * @param down D (rows of Y, inputs)
 * @param worth squared singular values, falling
 * @param squares mean square of each element of D x
 */
record Factors(int keys, DMatrixRMaj up, DMatrixRMaj down, double[] worth, double[] squares) {
  private static final double RIDGE = 1e-6;

  static Factors of(Moments moments, Placement placement, Metric metric) {
    GroupedShape shape = moments.shape();
    DMatrixRMaj plain = Matrices.multiply(placement.plainOfKeys(shape), moments.keyWeight());
    DMatrixRMaj all = Matrices.stack(plain, moments.valueWeight());
    Metric.Measure measure = metric.of(moments, placement);
    DMatrixRMaj root = root(measure.errors());
    DMatrixRMaj seen = Matrices.multiply(root, all);
    Hermitian eigen = Hermitian.symmetric(Matrices.sandwich(seen, measure.inputs()));
    DMatrixRMaj up = eigen.re().copy();
    TriangularSolver_DDRM.solveU(
        root.data, 0, root.numCols, root.numRows, up.data, 0, up.numCols, up.numCols);
    double[] worth = eigen.values().clone();
    for (int i = 0; i < worth.length; i++) {
      worth[i] = Math.max(0, worth[i]);
    }
    DMatrixRMaj down = Matrices.transposedMultiply(eigen.re(), seen);
    // D C D^T = U^T R Y C Y^T R^T U, which is diagonal
    double[] squares =
        measure.inputs() == moments.inputs() ? worth : squares(down, moments.inputs());
    return new Factors(plain.numRows, up, down, worth, squares);
  }

  /** The diagonal of a c a^T. */
  private static double[] squares(DMatrixRMaj a, DMatrixRMaj c) {
    DMatrixRMaj product = Matrices.multiply(a, c);
    double[] squares = new double[a.numRows];
    for (int i = 0; i < squares.length; i++) {
      for (int j = 0; j < a.numCols; j++) {
        squares[i] += product.get(i, j) * a.get(i, j);
      }
    }
    return squares;
  }

  /** R, upper triangular, with R^T R = L + a ridge. */
  private static DMatrixRMaj root(DMatrixRMaj errors) {
    int n = errors.numRows;
    DMatrixRMaj all = errors.copy();
    double mean = CommonOps_DDRM.trace(all) / n;
    for (int i = 0; i < n; i++) {
      all.add(i, i, RIDGE * mean + Double.MIN_NORMAL);
    }
    CholeskyDecomposition_F64<DMatrixRMaj> cholesky = DecompositionFactory_DDRM.chol(n, false);
    if (!cholesky.decompose(all)) {
      throw new LabException("the metric of a layer is not positive: it holds no numbers");
    }
    return cholesky.getT(null);
  }

  /** What a rank loses, as a share of everything. */
  double lost(int rank) {
    return Ranks.lost(worth, rank);
  }
}
