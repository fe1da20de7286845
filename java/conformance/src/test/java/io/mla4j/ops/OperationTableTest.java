package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.fail;

import io.mla4j.spi.Kernels;
import io.mla4j.testkit.Cuts;
import io.mla4j.testkit.Expectation;
import io.mla4j.testkit.Operation;
import io.mla4j.testkit.OperationCase;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Given random sizes and inputs in poisoned, guarded memory, when any kernels compute an operation
 * in one call or in pieces, then the result agrees with the double-precision oracle, and nothing
 * else was read or written.
 */
class OperationTableTest {
  /** About half of them for each compute type, where there are two. */
  static final int FIXED_CASES = 440;

  private static final int FRESH_CASES = 60;

  @ParameterizedTest
  @EnumSource(Operation.class)
  void agreesWithTheOracle(Operation operation) {
    Map<String, String> failures = new LinkedHashMap<>();
    for (long seed : Seeds.of(FIXED_CASES, FRESH_CASES)) {
      OperationCase one = operation.random(seed);
      List<Expectation> expected = one.expected();
      for (Kernels kernels : AllKernels.all()) {
        if (!failures.containsKey(kernels.isa())) {
          LastCase.note(
              kernels.isa() + " " + operation + " " + Seeds.reproduce(seed) + ": " + one.shape());
          String difference = one.difference(kernels, cuts(seed), expected);
          if (difference != null) {
            failures.put(
                kernels.isa(),
                kernels.isa()
                    + " "
                    + operation
                    + ", "
                    + Seeds.reproduce(seed)
                    + ": "
                    + one.shape()
                    + "\n    "
                    + difference);
          }
        }
      }
    }
    if (!failures.isEmpty()) {
      fail("\n  " + String.join("\n  ", failures.values()));
    }
  }

  /** The same memory and the same pieces for all kernels. */
  static Cuts cuts(long seed) {
    return seed % 2 == 0 ? Cuts.whole(seed) : Cuts.somePieces(seed);
  }
}
