package io.mla4j.ops;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.mla4j.ffi.NativeIsa;
import io.mla4j.spi.TileKernels;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Given an instruction set that the library has kernels for, when the tests run, then its kernels
 * are among those that are tested, or it is shown as skipped.
 */
class InstructionSetTest {
  @ParameterizedTest
  @EnumSource(NativeIsa.class)
  void isTested(NativeIsa isa) {
    assumeTrue(
        AllKernels.all().stream().map(TileKernels::isa).anyMatch(isa.id()::equals),
        () -> "the library has no kernels for " + isa.id() + " on this processor");
  }
}
