package io.mla4j.vector;

import io.mla4j.spi.Kernels;

/** Lets tests of other packages reach the vector kernels themselves. */
public final class VectorTestKernels {
  private VectorTestKernels() {}

  /** New kernels. */
  public static Kernels create() {
    return new VectorKernels();
  }
}
