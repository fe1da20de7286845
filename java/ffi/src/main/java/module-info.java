/** Native kernels through {@code java.lang.foreign}: the backend {@code native}. */
module io.mla4j.ffi {
  requires io.mla4j.core;

  exports io.mla4j.ffi;
  exports io.mla4j.ffi.abi to
      io.mla4j.cuda;
  exports io.mla4j.ffi.library to
      io.mla4j.cuda;

  provides io.mla4j.spi.Backend with
      io.mla4j.ffi.NativeBackend;
}
