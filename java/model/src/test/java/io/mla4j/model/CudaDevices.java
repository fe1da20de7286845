package io.mla4j.model;

import io.mla4j.Device;
import io.mla4j.cuda.CudaBackend;
import io.mla4j.cuda.CudaTestLibrary;
import io.mla4j.spi.Backend;

/** The first device of the CUDA library that is tested. */
final class CudaDevices {
  private static final CudaBackend BACKEND = CudaBackend.of(CudaTestLibrary.file());

  private CudaDevices() {}

  static Device open() {
    return BACKEND.open(new Backend.Options(0, null));
  }
}
