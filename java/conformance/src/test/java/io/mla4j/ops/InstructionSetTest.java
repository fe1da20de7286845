package io.mla4j.ops;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.mla4j.ffi.NativeBackend;
import io.mla4j.spi.Kernels;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given an instruction set that the library has kernels for, when the tests run, then its kernels
 * are among those that are tested, or it is shown as skipped.
 */
class InstructionSetTest {
  static List<String> names() {
    List<String> names = new NativeBackend().isaNames();
    return names.isEmpty() ? List.of("native") : names;
  }

  @ParameterizedTest
  @MethodSource("names")
  void isTested(String isa) {
    assumeTrue(
        AllKernels.all().stream().map(Kernels::isa).anyMatch(isa::equals),
        () -> "the library has no kernels for " + isa + " on this processor");
  }
}
