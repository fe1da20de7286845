package io.mla4j.lab;

import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.factory.LinearSolverFactory_DDRM;
import org.ejml.interfaces.linsol.LinearSolverDense;

/**
 * Products and parts of real matrices: EJML's, those without rows or columns, which it refuses, and
 * large ones, which are {@link Accumulation}'s.
 */
final class Matrices {
  private static final long LARGE = 1 << 21;

  private Matrices() {}

  static DMatrixRMaj multiply(DMatrixRMaj a, DMatrixRMaj b) {
    if (isLarge(a, b.numCols)) {
      return Accumulation.product(Accumulation.columns(a), Accumulation.rows(b));
    }
    return product(a, b, new DMatrixRMaj(a.numRows, b.numCols), CommonOps_DDRM::mult);
  }

  /** a^T b. */
  static DMatrixRMaj transposedMultiply(DMatrixRMaj a, DMatrixRMaj b) {
    if (isLarge(a, b.numCols)) {
      return Accumulation.product(Accumulation.rows(a), Accumulation.rows(b));
    }
    return product(a, b, new DMatrixRMaj(a.numCols, b.numCols), CommonOps_DDRM::multTransA);
  }

  private interface Product {
    void into(DMatrixRMaj a, DMatrixRMaj b, DMatrixRMaj out);
  }

  /** {@code out}, which is zeros before. */
  private static DMatrixRMaj product(DMatrixRMaj a, DMatrixRMaj b, DMatrixRMaj out, Product by) {
    if (!isEmpty(a) && !isEmpty(b)) {
      by.into(a, b, out);
    }
    return out;
  }

  /** Whether a product of a with something of so many columns is. */
  private static boolean isLarge(DMatrixRMaj a, int columns) {
    return (long) a.numRows * a.numCols * columns > LARGE;
  }

  /** a c a^T, c symmetric. */
  static DMatrixRMaj sandwich(DMatrixRMaj a, DMatrixRMaj c) {
    DMatrixRMaj product = multiply(a, c);
    return isLarge(a, a.numRows)
        ? Accumulation.symmetricProduct(Accumulation.columns(product), Accumulation.columns(a))
        : product(product, a, new DMatrixRMaj(a.numRows, a.numRows), CommonOps_DDRM::multTransB);
  }

  /** a above b. */
  static DMatrixRMaj stack(DMatrixRMaj a, DMatrixRMaj b) {
    DMatrixRMaj out = new DMatrixRMaj(a.numRows + b.numRows, Math.max(a.numCols, b.numCols));
    insert(a, out, 0, 0);
    insert(b, out, a.numRows, 0);
    return out;
  }

  /** [[a, 0], [0, b]]. */
  static DMatrixRMaj diagonal(DMatrixRMaj a, DMatrixRMaj b) {
    DMatrixRMaj out = new DMatrixRMaj(a.numRows + b.numRows, a.numCols + b.numCols);
    insert(a, out, 0, 0);
    insert(b, out, a.numRows, a.numCols);
    return out;
  }

  private static boolean isEmpty(DMatrixRMaj a) {
    return a.numRows == 0 || a.numCols == 0;
  }

  /** The elements of {@code to} from (row, column) on become those of {@code from}. */
  static void insert(DMatrixRMaj from, DMatrixRMaj to, int row, int column) {
    if (!isEmpty(from)) {
      CommonOps_DDRM.insert(from, to, row, column);
    }
  }

  static DMatrixRMaj rows(DMatrixRMaj a, int from, int count) {
    return count == 0
        ? new DMatrixRMaj(0, a.numCols)
        : CommonOps_DDRM.extract(a, from, from + count, 0, a.numCols);
  }

  static DMatrixRMaj columns(DMatrixRMaj a, int from, int count) {
    return a.numRows == 0
        ? new DMatrixRMaj(0, count)
        : CommonOps_DDRM.extract(a, 0, a.numRows, from, from + count);
  }

  static DMatrixRMaj scaled(double factor, DMatrixRMaj a) {
    DMatrixRMaj out = a.copy();
    if (!isEmpty(out)) {
      CommonOps_DDRM.scale(factor, out);
    }
    return out;
  }

  /** to += factor a. */
  static void add(DMatrixRMaj to, double factor, DMatrixRMaj a) {
    if (!isEmpty(a)) {
      CommonOps_DDRM.addEquals(to, factor, a);
    }
  }

  /** The x of (a + ridge) x = b, a symmetric and not negative. */
  static DMatrixRMaj solve(DMatrixRMaj a, DMatrixRMaj b) {
    LinearSolverDense<DMatrixRMaj> solver = LinearSolverFactory_DDRM.symmPosDef(a.numRows);
    DMatrixRMaj x = new DMatrixRMaj(b.numRows, b.numCols);
    if (!solver.setA(a.copy())) {
      throw new LabException("the equations of a fit have no solution: the text is too short");
    }
    solver.solve(b.copy(), x);
    return x;
  }
}
