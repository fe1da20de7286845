package io.mla4j.vector;

import io.mla4j.spi.TileKernels;

/** Lets tests of other packages reach the vector kernels themselves. */
public final class VectorTestKernels {
  private VectorTestKernels() {}

  /** New kernels. */
  public static TileKernels create() {
    return new VectorKernels();
  }
}
