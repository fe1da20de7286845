package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.ejml.data.DMatrixRMaj;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Eigenvectors of Hermitian matrices from those of real ones. */
class HermitianTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 7})
  void vectorsAreUnitaryAndDiagonalise(int n) {
    SplittableRandom random = new SplittableRandom(n);
    DMatrixRMaj x = new DMatrixRMaj(n, n);
    DMatrixRMaj y = new DMatrixRMaj(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double a = random.nextGaussian();
        double b = i == j ? 0 : random.nextGaussian();
        x.set(i, j, a);
        x.set(j, i, a);
        y.set(i, j, b);
        y.set(j, i, -b);
      }
    }
    check(x, y, Hermitian.of(x, y));
  }

  /** All vectors have one eigenvalue: any unitary matrix will do, but it must be one. */
  @Test
  void equalEigenvaluesGiveUnitaryVectorsToo() {
    DMatrixRMaj x = new DMatrixRMaj(4, 4);
    for (int i = 0; i < 4; i++) {
      x.set(i, i, 3);
    }
    check(x, new DMatrixRMaj(4, 4), Hermitian.of(x, new DMatrixRMaj(4, 4)));
  }

  private static void check(DMatrixRMaj x, DMatrixRMaj y, Hermitian eigen) {
    int n = x.numRows;
    for (int a = 0; a < n; a++) {
      for (int b = 0; b < n; b++) {
        double re = 0;
        double im = 0;
        for (int i = 0; i < n; i++) {
          re += eigen.re().get(i, a) * eigen.re().get(i, b);
          re += eigen.im().get(i, a) * eigen.im().get(i, b);
          im += eigen.re().get(i, a) * eigen.im().get(i, b);
          im -= eigen.im().get(i, a) * eigen.re().get(i, b);
        }
        assertEquals(a == b ? 1 : 0, re, 1e-10);
        assertEquals(0, im, 1e-10);
      }
      for (int i = 0; i < n; i++) {
        double re = 0;
        double im = 0;
        for (int j = 0; j < n; j++) {
          re += x.get(i, j) * eigen.re().get(j, a) - y.get(i, j) * eigen.im().get(j, a);
          im += x.get(i, j) * eigen.im().get(j, a) + y.get(i, j) * eigen.re().get(j, a);
        }
        assertEquals(eigen.values()[a] * eigen.re().get(i, a), re, 1e-9);
        assertEquals(eigen.values()[a] * eigen.im().get(i, a), im, 1e-9);
      }
    }
  }
}
