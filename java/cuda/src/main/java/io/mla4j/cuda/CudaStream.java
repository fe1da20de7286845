package io.mla4j.cuda;

import io.mla4j.ClosedException;
import java.lang.foreign.MemorySegment;

/**
 * A stream: what is launched on it runs in order, later than the call. Belongs to one thread at a
 * time.
 */
final class CudaStream implements AutoCloseable {
  private final CudaKernels kernels;
  private MemorySegment handle;

  CudaStream(CudaKernels kernels, int device) {
    this.kernels = kernels;
    this.handle = kernels.createStream(device);
  }

  /**
   * What calls take.
   *
   * @throws ClosedException after {@link #close}
   */
  MemorySegment handle() {
    if (handle == null) {
      throw new ClosedException("the cuda device is closed");
    }
    return handle;
  }

  /** Waits until everything that was launched has run. */
  void synchronize() {
    kernels.synchronize(handle());
  }

  /** Waits for what was launched. Closing twice is harmless. */
  @Override
  public void close() {
    if (handle != null) {
      MemorySegment open = handle;
      handle = null;
      kernels.destroyStream(open);
    }
  }
}
