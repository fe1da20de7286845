/** The API of mla4j, the latent cache, the position encodings and the scalar kernels. */
module io.mla4j.core {
  exports io.mla4j;
  exports io.mla4j.cpu to
      io.mla4j.ffi,
      io.mla4j.vector;
  exports io.mla4j.extract to
      io.mla4j.cuda,
      io.mla4j.ffi,
      io.mla4j.model;
  exports io.mla4j.ops;
  exports io.mla4j.position;
  exports io.mla4j.spi;

  uses io.mla4j.spi.Backend;

  provides io.mla4j.spi.Backend with
      io.mla4j.cpu.ScalarBackend;
}
