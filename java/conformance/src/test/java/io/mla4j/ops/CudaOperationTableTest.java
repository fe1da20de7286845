package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cuda.CudaTileKernels;
import io.mla4j.testkit.Cuts;
import io.mla4j.testkit.Operation;
import io.mla4j.testkit.OperationCase;
import io.mla4j.testkit.Output;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/**
 * Given random sizes and inputs as for the kernels of processors, when a CUDA device computes a
 * whole operation, then the result agrees with the double-precision oracle by the same tolerances,
 * nothing else was written, and a row alone has the bits that it has among others.
 */
class CudaOperationTableTest {
  /**
   * Some of their cases take an emulated device seconds: as many fixed ones are computed as take
   * few of them together, and no fresh ones.
   */
  private static long[] seeds(Operation operation) {
    return switch (operation) {
      case LINEAR -> Seeds.of(72, 0);
      case HEAD_LINEAR -> Seeds.of(36, 0);
      case ATTEND_ABSORBED -> Seeds.of(24, 0);
      case ATTEND_DECOMPRESSED -> Seeds.of(30, 0);
      default -> Seeds.of(60, 20);
    };
  }

  @ParameterizedTest
  @EnumSource(
      value = Operation.class,
      names = {"ATTEND_DELTA", "ATTEND_GROUPED", "GATE", "LAYER_NORM", "INDEX_SCORES", "TOP_K"},
      mode = Mode.EXCLUDE)
  void agreesWithTheOracle(Operation operation) {
    int computed = 0;
    try (CudaTileKernels kernels = new CudaTileKernels()) {
      for (long seed : seeds(operation)) {
        OperationCase one = operation.random(seed);
        if (one.ofDecoder() && one.ofDevices()) {
          String name = operation + ", " + Seeds.reproduce(seed) + ": " + one.shape();
          LastCase.note(name);
          assertNull(one.difference(kernels, Cuts.whole(seed)), name);
          computed++;
        }
      }
    }
    assertTrue(computed > 0);
  }

  @ParameterizedTest
  @EnumSource(
      value = Operation.class,
      names = {
        "ATTEND_ABSORBED",
        "ATTEND_DECOMPRESSED",
        "ATTEND_DELTA",
        "ATTEND_GROUPED",
        "GATE",
        "HEAD_LINEAR",
        "LAYER_NORM",
        "INDEX_SCORES",
        "TOP_K"
      },
      mode = Mode.EXCLUDE)
  void aRowAloneHasItsBits(Operation operation) {
    try (CudaTileKernels kernels = new CudaTileKernels()) {
      for (long seed : Seeds.of(12, 0)) {
        OperationCase one = operation.random(seed);
        if (!one.ofDevices()) {
          continue;
        }
        List<Output> all = one.run(kernels, Cuts.whole(seed));
        int row = (int) Math.floorMod(seed * 7, (long) one.rows());
        List<Output> alone = one.row(row).run(kernels, Cuts.whole(seed + 1));
        for (int i = 0; i < all.size(); i++) {
          int width = alone.get(i).values().length;
          assertArrayEquals(
              Arrays.copyOfRange(all.get(i).values(), row * width, (row + 1) * width),
              alone.get(i).values(),
              operation + ", " + Seeds.reproduce(seed) + ": " + one.shape() + ", row " + row);
        }
      }
    }
  }
}
