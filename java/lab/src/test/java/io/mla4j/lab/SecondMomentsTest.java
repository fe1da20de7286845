package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.ejml.data.DMatrixRMaj;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Means of x x^T, summed in any number of calls, are those of the formula. */
class SecondMomentsTest {
  @ParameterizedTest
  @CsvSource({"1, 0, 1", "7, 3, 5", "64, 0, 200", "64, 64, 65", "600, 0, 70", "1100, 9, 3"})
  void meansAreThoseOfTheFormula(int n, int from, int rows) {
    int stride = n + from + (from > 0 ? 2 : 0);
    float[] x = normals(rows * stride);
    SecondMoments moments = new SecondMoments(n);
    int first = rows / 3;
    moments.add(x, stride, from, first);
    moments.add(Arrays.copyOfRange(x, first * stride, x.length), stride, from, rows - first);
    check(moments.mean(), x, stride, from, n, rows);
  }

  /** Inputs that are multiplied by biases have a 1 behind them. */
  @ParameterizedTest
  @CsvSource({"5, 4", "520, 66"})
  void aOneStandsBehindTheRow(int n, int rows) {
    float[] x = normals(rows * (n - 1));
    SecondMoments moments = new SecondMoments(n);
    moments.add(x, n - 1, 0, rows);
    DMatrixRMaj mean = moments.mean();
    assertEquals(1, mean.get(n - 1, n - 1));
    double sum = 0;
    for (int t = 0; t < rows; t++) {
      sum += x[t * (n - 1) + 1];
    }
    assertEquals(sum / rows, mean.get(n - 1, 1), 1e-12);
    assertEquals(mean.get(n - 1, 1), mean.get(1, n - 1));
    check(mean, x, n - 1, 0, n - 1, rows);
  }

  private static float[] normals(int count) {
    Random random = new Random(count);
    float[] x = new float[count];
    for (int i = 0; i < count; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return x;
  }

  private static void check(DMatrixRMaj mean, float[] x, int stride, int from, int n, int rows) {
    for (int i = 0; i < n; i += Math.max(1, n / 40)) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int t = 0; t < rows; t++) {
          sum += (double) x[t * stride + from + i] * x[t * stride + from + j];
        }
        assertEquals(sum / rows, mean.get(i, j), 1e-12, i + ", " + j);
      }
    }
  }
}
