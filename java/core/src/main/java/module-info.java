/**
 * The API of mla4j, the latent cache, the position encodings and the scalar kernels. Packages
 * {@code cpu}, {@code extract} and {@code spi} are for backends, whoever makes them.
 */
module io.mla4j.core {
  requires static org.jspecify;

  exports io.mla4j;
  exports io.mla4j.cpu;
  exports io.mla4j.extract;
  exports io.mla4j.guard to
      io.mla4j.model;
  exports io.mla4j.ops;
  exports io.mla4j.position;
  exports io.mla4j.spi;

  uses io.mla4j.spi.Backend;

  provides io.mla4j.spi.Backend with
      io.mla4j.cpu.ScalarBackend;
}
