package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.Device;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.ejml.data.DMatrixRMaj;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Conversions of layers with random weights against their own attention, in double. */
class LatentLayerTest {
  private static final int HIDDEN = 24;
  private static final int WIDTH = 6;

  /** Every method with groups that share, with one head of keys, and with one for each query. */
  static Stream<Arguments> layers() {
    return Stream.of(Method.values())
        .flatMap(method -> Stream.of(2, 1, 4).map(groups -> Arguments.of(method, groups)));
  }

  @ParameterizedTest
  @MethodSource("layers")
  void allRotatedIsTheOriginal(Method method, int groups) {
    Moments moments = moments(groups, HIDDEN);
    int all = groups * WIDTH;
    LatentLayer layer = convert(method, moments, all, all);
    assertEquals(0, layer.lost(), 1e-9);
    SplittableRandom random = new SplittableRandom(3);
    for (int lag : new int[] {0, 1, 7, 100}) {
      double[] x = vector(random, HIDDEN);
      double[] y = vector(random, HIDDEN);
      for (int h = 0; h < 4; h++) {
        assertEquals(score(moments, x, y, h, lag), score(layer, x, y, h, lag), 1e-9);
        assertValues(moments, layer, y, h, 1e-9);
      }
    }
  }

  /** Inputs that lie in six dimensions are cached whole in a latent of six. */
  @ParameterizedTest
  @MethodSource("layers")
  void plantedRankIsFound(Method method, int groups) {
    if (method == Method.MHA2MLA || method == Method.SVD) {
      return; // what cuts weights does not look at inputs
    }
    int planted = 6;
    Moments moments = moments(groups, planted);
    int rope = 2;
    int rows = 2 * groups * WIDTH - rope;
    LatentLayer whole = convert(method, moments, rope, rows);
    LatentLayer cut = convert(method, moments, rope, Math.min(planted, rows));
    assertTrue(cut.lost() < 1e-9, () -> "lost " + cut.lost());
    SplittableRandom random = new SplittableRandom(5);
    double[] y = vector(random, planted);
    double[] x = vector(random, planted);
    for (int h = 0; h < 4; h++) {
      assertEquals(score(whole, x, y, h, 5), score(cut, x, y, h, 5), 1e-5);
      assertValues(moments, cut, y, h, 1e-5);
    }
  }

  /** Whether MHA or MQA, what is cached has as many numbers as was said. */
  @ParameterizedTest
  @MethodSource("layers")
  void budgetsAreKept(Method method, int groups) {
    int rope = method == Method.MHA2MLA ? 2 * groups : WIDTH;
    LatentLayer layer = convert(method, moments(groups, HIDDEN), rope, 5);
    assertEquals(5 + rope, layer.down().numRows);
    assertEquals(5, layer.up().numCols);
    assertEquals(rope / 2, layer.frequencies().length);
    assertEquals(4 * (WIDTH + rope), layer.query().numRows);
    assertEquals(4 * 2 * WIDTH, layer.up().numRows);
  }

  private static LatentLayer convert(Method method, Moments moments, int rope, int rank) {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      Placement placement =
          method.placing(new Products(device), Method.Fitting.DEFAULT, true).place(moments, rope);
      return LatentLayer.of(
          moments, placement, Factors.of(moments, placement, method.metric()), rank);
    }
  }

  /** Of a random layer whose inputs lie in the first {@code rank} elements. */
  private static Moments moments(int groups, int rank) {
    SplittableRandom random = new SplittableRandom(17 + groups);
    GroupedShape shape = new GroupedShape(4, groups, WIDTH, new double[] {1, 0.1, 0.01});
    DMatrixRMaj inputs = new DMatrixRMaj(HIDDEN, HIDDEN);
    for (int sample = 0; sample < 200; sample++) {
      double[] x = vector(random, rank);
      for (int i = 0; i < HIDDEN; i++) {
        for (int j = 0; j < HIDDEN; j++) {
          inputs.add(i, j, x[i] * x[j] / 200);
        }
      }
    }
    DMatrixRMaj query = matrix(random, 4 * WIDTH, HIDDEN);
    DMatrixRMaj[] queries = new DMatrixRMaj[4];
    double[][][] lagMean = new double[2][4][3];
    for (int h = 0; h < 4; h++) {
      queries[h] = Matrices.sandwich(Matrices.rows(query, h * WIDTH, WIDTH), inputs);
      for (int l = 0; l < 3; l++) {
        lagMean[0][h][l] = 0.9 / (l + 1);
      }
    }
    int length = 12;
    Moments.Window window =
        new Moments.Window(
            length, floats(random, length * 4 * WIDTH), floats(random, length * groups * WIDTH));
    return new Moments(
        shape,
        matrix(random, groups * WIDTH, HIDDEN),
        matrix(random, groups * WIDTH, HIDDEN),
        query,
        matrix(random, HIDDEN, 4 * WIDTH),
        inputs,
        queries,
        lagMean,
        new double[] {1, 2, 0.5, 1},
        List.of(window));
  }

  /** Of head h of the original: query x, key y, so many positions before. */
  private static double score(Moments moments, double[] x, double[] y, int h, int lag) {
    GroupedShape shape = moments.shape();
    double[] q = apply(moments.queryWeight(), h * WIDTH, WIDTH, x);
    double[] k = apply(moments.keyWeight(), h / shape.sharing() * WIDTH, WIDTH, y);
    double sum = 0;
    for (int l = 0; l < WIDTH / 2; l++) {
      sum += pair(q[l], q[l + WIDTH / 2], k[l], k[l + WIDTH / 2], lag * shape.frequencies()[l]);
    }
    return sum / Math.sqrt(WIDTH);
  }

  private static double score(LatentLayer layer, double[] x, double[] y, int h, int lag) {
    int rope = 2 * layer.frequencies().length;
    int rank = layer.up().numCols;
    double[] q = apply(layer.query(), h * (WIDTH + rope), WIDTH + rope, x);
    double[] latent = apply(layer.down(), 0, rank, y);
    double[] shared = apply(layer.down(), rank, rope, y);
    double[] key = apply(layer.up(), h * 2 * WIDTH, WIDTH, latent);
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) {
      sum += q[i] * key[i];
    }
    for (int i = 0; i < rope / 2; i++) {
      sum +=
          pair(
              q[WIDTH + 2 * i],
              q[WIDTH + 2 * i + 1],
              shared[2 * i],
              shared[2 * i + 1],
              lag * layer.frequencies()[i]);
    }
    return sum / Math.sqrt(WIDTH + rope);
  }

  /** Re(conj(q) k e^(-i angle)). */
  private static double pair(double qr, double qi, double kr, double ki, double angle) {
    return (qr * kr + qi * ki) * Math.cos(angle) + (qr * ki - qi * kr) * Math.sin(angle);
  }

  private static void assertValues(
      Moments moments, LatentLayer layer, double[] y, int h, double error) {
    double[] own = apply(moments.valueWeight(), h / moments.shape().sharing() * WIDTH, WIDTH, y);
    double[] latent = apply(layer.down(), 0, layer.up().numCols, y);
    double[] made = apply(layer.up(), h * 2 * WIDTH + WIDTH, WIDTH, latent);
    for (int i = 0; i < WIDTH; i++) {
      assertEquals(own[i], made[i], error);
    }
  }

  private static double[] apply(DMatrixRMaj m, int from, int rows, double[] x) {
    double[] out = new double[rows];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < m.numCols; j++) {
        out[i] += m.get(from + i, j) * x[j];
      }
    }
    return out;
  }

  private static double[] vector(SplittableRandom random, int rank) {
    double[] x = new double[HIDDEN];
    for (int i = 0; i < rank; i++) {
      x[i] = random.nextGaussian();
    }
    return x;
  }

  private static float[] floats(SplittableRandom random, int count) {
    float[] x = new float[count];
    for (int i = 0; i < count; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return x;
  }

  private static DMatrixRMaj matrix(SplittableRandom random, int rows, int columns) {
    DMatrixRMaj m = new DMatrixRMaj(rows, columns);
    for (int i = 0; i < rows * columns; i++) {
      m.data[i] = 0.2 * random.nextGaussian();
    }
    return m;
  }
}
