/** Kernels for NVIDIA GPUs: the backend {@code cuda}. */
module io.mla4j.cuda {
  requires transitive io.mla4j.device;
  requires io.mla4j.ffi;

  exports io.mla4j.cuda;

  provides io.mla4j.spi.Backend with
      io.mla4j.cuda.CudaBackend;
}
