package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.mla4j.cpu.ScalarKernels;
import io.mla4j.spi.Kernels;
import io.mla4j.testkit.Cuts;
import io.mla4j.testkit.Mutant;
import io.mla4j.testkit.Operation;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Given kernels with one defect, when the table of operations runs, then it finds the defect: the
 * tolerances can fail.
 */
class MutantTest {
  @ParameterizedTest
  @EnumSource(Mutant.class)
  void isFoundByTheTable(Mutant mutant) {
    Kernels broken = mutant.in(new ScalarKernels());
    for (Operation operation : mutant.operations()) {
      String difference = null;
      for (long seed = 0; seed < OperationTableTest.FIXED_CASES && difference == null; seed++) {
        Cuts cuts = OperationTableTest.cuts(seed);
        difference = operation.random(seed).difference(broken, cuts);
      }
      assertNotNull(difference, mutant + " survives " + operation);
    }
  }

  @ParameterizedTest
  @EnumSource(Operation.class)
  void kernelsWithoutDefectAreNotFound(Operation operation) {
    for (long seed = 0; seed < 20; seed++) {
      assertNull(
          operation.random(seed).difference(new ScalarKernels(), OperationTableTest.cuts(seed)));
    }
  }
}
