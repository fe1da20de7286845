/** Native kernels through {@code java.lang.foreign}: the backend {@code native}. */
module io.mla4j.ffi {
  requires io.mla4j.core;

  exports io.mla4j.ffi;

  provides io.mla4j.spi.Backend with
      io.mla4j.ffi.CudaBackend,
      io.mla4j.ffi.NativeBackend;
}
