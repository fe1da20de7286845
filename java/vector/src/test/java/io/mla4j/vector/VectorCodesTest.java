package io.mla4j.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.mla4j.ComputeType;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.ops.Scales;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Products of integer codes have the bits of their definition, whatever the number of rows. */
class VectorCodesTest {
  static Stream<StorageFormat> quantised() {
    return StorageFormat.weights().stream().filter(f -> f.coding() != null);
  }

  @ParameterizedTest
  @MethodSource("quantised")
  void bitsAreThoseOfTheDefinition(StorageFormat format) {
    Random random = new Random(format.code());
    // one row and two, whole register tiles and their rests; rows that end within a block
    for (int rows : List.of(1, 2, 3, 9)) {
      check(format, rows, 256, 1 + random.nextInt(150), random);
      check(format, rows, 40, 1 + random.nextInt(400), random);
      check(format, rows, 1288, 1 + random.nextInt(100), random);
    }
    // more rows than a call takes
    check(format, CodePanels.MAX_ROWS + 5, 250, 20, random);
  }

  private static void check(StorageFormat format, int rows, int k, int n, Random random) {
    try (Arena arena = Arena.ofConfined()) {
      long stride = format.padded(k) + (random.nextBoolean() ? 256 : 0);
      byte[] bytes = new byte[(int) format.bytes(stride * n)];
      random.nextBytes(bytes);
      MemorySegment stored = arena.allocate(bytes.length, 64);
      MemorySegment.copy(MemorySegment.ofArray(bytes), 0, stored, 0, bytes.length);
      Tensor tensor = Tensor.strided(stored, format, new long[] {n, k}, new long[] {stride, 1});
      boolean scaled = format.blockElements() < 32;
      Weight weight = scaled ? new Weight(tensor, scales(arena, n, k, random)) : Weight.of(tensor);
      float[] x = new float[rows * k];
      for (int i = 0; i < x.length; i++) {
        x[i] = (float) random.nextGaussian();
      }
      x[random.nextInt(x.length)] = random.nextInt(3) == 0 ? Float.NaN : 1e30f;
      float[] y = multiply(new VectorKernels(), weight, x, rows, n);
      String what = format + ", " + rows + " x " + k + " x " + n;
      assertArrayEquals(multiply(new ScalarKernels(), weight, x, rows, n), y, what);
    }
  }

  /** One for each row and each 64 columns or more. */
  private static Scales scales(Arena arena, int n, int k, Random random) {
    int columns = random.nextBoolean() ? 64 : k;
    int count = Math.ceilDiv(k, columns);
    float[] values = new float[n * count];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat();
    }
    MemorySegment plane = arena.allocate(4L * values.length, 64);
    MemorySegment.copy(MemorySegment.ofArray(values), 0, plane, 0, plane.byteSize());
    return new Scales(Tensor.of(plane, StorageFormat.F32, n, count), 1, columns);
  }

  /** In two tiles, one of them without columns at times. */
  private static float[] multiply(Kernels kernels, Weight weight, float[] x, int rows, int n) {
    float[] y = new float[rows * n];
    float[] bias = new float[n];
    for (int i = 0; i < n; i++) {
      bias[i] = i;
    }
    MatrixProduct product =
        new MatrixProduct()
            .with(ComputeType.INT8, weight, MemorySegment.ofArray(bias))
            .from(MemorySegment.ofArray(x), weight.in(), MemorySegment.NULL, rows)
            .to(MemorySegment.ofArray(y), n);
    TileKernel pack = kernels.bind(new Pack(product));
    TileKernel multiply = kernels.bind(new Multiply(product));
    pack.prepare();
    multiply.prepare();
    Tile tile =
        new Tile().workspace(MemorySegment.ofArray(new float[(int) (pack.workspaceBytes() / 4)]));
    pack.run(tile.rows(0, rows));
    multiply.run(tile.rows(0, n / 3));
    multiply.run(tile.rows(n / 3, n));
    return y;
  }
}
