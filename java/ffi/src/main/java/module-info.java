/**
 * Native kernels through {@code java.lang.foreign}: the backend {@code native}. Packages {@code
 * abi} and {@code library} are for backends over other libraries of mla.h.
 */
module io.mla4j.ffi {
  requires io.mla4j.core;

  exports io.mla4j.ffi;
  exports io.mla4j.ffi.abi;
  exports io.mla4j.ffi.library;

  provides io.mla4j.spi.Backend with
      io.mla4j.ffi.NativeBackend;
}
