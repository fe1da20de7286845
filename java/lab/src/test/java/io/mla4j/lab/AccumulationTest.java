package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.ejml.data.DMatrixRMaj;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products in blocks are those of the formula, whatever is left over at their edges. */
class AccumulationTest {
  @ParameterizedTest
  @CsvSource({"1, 1, 1", "3, 5, 2", "4, 64, 256", "7, 67, 257", "130, 129, 300", "6, 200, 513"})
  void productsAreThoseOfTheFormula(int rows, int inner, int columns) {
    DMatrixRMaj a = matrix(rows, inner, 0);
    DMatrixRMaj b = matrix(inner, columns, 0);
    check(a, b, Accumulation.product(Accumulation.columns(a), Accumulation.rows(b)));
  }

  /** Zeros are left out four by four. */
  @ParameterizedTest
  @CsvSource({"9, 40, 20, 8", "64, 128, 300, 20"})
  void sparseFactorsToo(int rows, int inner, int columns, int period) {
    DMatrixRMaj a = matrix(rows, inner, period);
    DMatrixRMaj b = matrix(inner, columns, 0);
    check(a, b, Accumulation.product(Accumulation.columns(a), Accumulation.rows(b)));
  }

  @ParameterizedTest
  @CsvSource({"1, 3", "5, 64", "259, 70", "515, 9"})
  void halfOfASymmetricProductIsAllOfIt(int n, int inner) {
    DMatrixRMaj a = matrix(n, inner, 0);
    DMatrixRMaj transposed = new DMatrixRMaj(inner, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < inner; j++) {
        transposed.set(j, i, a.get(i, j));
      }
    }
    double[][] columns = Accumulation.columns(a);
    check(a, transposed, Accumulation.symmetricProduct(columns, columns));
  }

  private static void check(DMatrixRMaj a, DMatrixRMaj b, DMatrixRMaj product) {
    assertEquals(a.numRows, product.numRows);
    assertEquals(b.numCols, product.numCols);
    for (int i = 0; i < a.numRows; i++) {
      for (int j = 0; j < b.numCols; j++) {
        double sum = 0;
        for (int k = 0; k < a.numCols; k++) {
          sum += a.get(i, k) * b.get(k, j);
        }
        assertEquals(sum, product.get(i, j), 1e-12, i + ", " + j);
      }
    }
  }

  /** Of normal numbers; with a period, rows have four of them in each so many. */
  private static DMatrixRMaj matrix(int rows, int columns, int period) {
    SplittableRandom random = new SplittableRandom(rows * 1000L + columns);
    DMatrixRMaj m = new DMatrixRMaj(rows, columns);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        boolean present = period == 0 || (j + 4 * i) % period < 4;
        m.set(i, j, present ? 0.1 * random.nextGaussian() : 0);
      }
    }
    return m;
  }
}
