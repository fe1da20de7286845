package io.mla4j.vector;

import io.mla4j.spi.Backend.Probe;
import io.mla4j.spi.Kernels;
import java.util.List;
import java.util.Optional;
import jdk.incubator.vector.FloatVector;

/** What {@link VectorBackend} asks the Vector API; loaded only where its module is there. */
final class VectorProbe {
  private static final int MIN_BITS = 128;

  private VectorProbe() {}

  static Probe probe() {
    int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    if (preferred < MIN_BITS) {
      return VectorBackend.unavailable(
          "the JDK has vectors of " + preferred + " bits here, but " + MIN_BITS + " are needed");
    }
    String reason = "vectors of " + Lanes.F.vectorBitSize() + " bits, the JDK prefers " + preferred;
    return new Probe(true, reason, List.of(kernels().isa()), Optional.empty(), Optional.empty());
  }

  static Kernels kernels() {
    return new VectorKernels();
  }
}
