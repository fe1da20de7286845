package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.cpu.ScalarKernels;
import io.mla4j.spi.Kernels;
import io.mla4j.testkit.Cuts;
import io.mla4j.testkit.Operation;
import io.mla4j.testkit.OperationCase;
import io.mla4j.testkit.Output;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Given one case, when it is computed in one call, in pieces, at other addresses and strides, or a
 * row at a time, then the bits are the same, for every set of kernels.
 */
class SameBitsTest {
  private static final int FIXED_CASES = 60;
  private static final int FRESH_CASES = 20;
  private static final int ROWS_ALONE = 4;

  @ParameterizedTest
  @EnumSource(Operation.class)
  void whateverTheCall(Operation operation) {
    for (long seed : Seeds.of(FIXED_CASES, FRESH_CASES)) {
      OperationCase one = operation.random(seed);
      for (Kernels kernels : AllKernels.all()) {
        String name =
            kernels.isa() + " " + operation + ", " + Seeds.reproduce(seed) + ": " + one.shape();
        LastCase.note(name);
        List<Output> whole = one.run(kernels, Cuts.whole(seed));
        for (int again = 1; again <= 2; again++) {
          List<Output> pieces = one.run(kernels, Cuts.pieces(seed + again));
          for (int i = 0; i < whole.size(); i++) {
            requireSame(name + ", in pieces", whole.get(i), 0, pieces.get(i));
          }
        }
        for (int j = 0; j < Math.min(ROWS_ALONE, one.rows()); j++) {
          int row =
              one.rows() <= ROWS_ALONE
                  ? j
                  : (int) Math.floorMod(seed * 7 + j * 13L, (long) one.rows());
          List<Output> alone = one.row(row).run(kernels, Cuts.whole(seed + 3));
          for (int i = 0; i < whole.size(); i++) {
            requireSame(name + ", row " + row + " alone", whole.get(i), row, alone.get(i));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Operation.class,
      names = {"LINEAR", "HEAD_LINEAR"})
  void integersOnAllKernels(Operation operation) {
    for (long seed : Seeds.of(4 * FIXED_CASES, 4 * FRESH_CASES)) {
      OperationCase one = operation.random(seed);
      if (!one.hasOneResult()) {
        continue;
      }
      List<Output> expected = one.run(new ScalarKernels(), Cuts.whole(seed));
      for (Kernels kernels : AllKernels.all()) {
        String name = kernels.isa() + ", " + Seeds.reproduce(seed) + ": " + one.shape();
        List<Output> actual = one.run(kernels, Cuts.pieces(seed));
        for (int i = 0; i < expected.size(); i++) {
          requireSame(name, expected.get(i), 0, actual.get(i));
        }
      }
    }
  }

  /** {@code part} is row {@code row} of {@code whole} in units of its own size. */
  private static void requireSame(String message, Output whole, int row, Output part) {
    int offset = row * part.values().length;
    for (int i = 0; i < part.values().length; i++) {
      int expected = Float.floatToRawIntBits(whole.values()[offset + i]);
      int actual = Float.floatToRawIntBits(part.values()[i]);
      if (expected != actual) {
        assertEquals(
            whole.values()[offset + i],
            part.values()[i],
            message + ": " + whole.name() + "[" + i + "]");
        assertEquals(expected, actual, message + ": bits of " + whole.name() + "[" + i + "]");
      }
    }
  }
}
