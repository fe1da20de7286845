/** Kernels on the Vector API of the JDK. */
module io.mla4j.vector {
  requires io.mla4j.core;
  requires jdk.incubator.vector;

  exports io.mla4j.vector;

  provides io.mla4j.spi.Backend with
      io.mla4j.vector.VectorBackend;
}
