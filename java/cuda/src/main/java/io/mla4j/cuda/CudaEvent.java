package io.mla4j.cuda;

import java.lang.foreign.MemorySegment;

/** A place in a stream that can be waited for. Belongs to one thread at a time. */
final class CudaEvent implements AutoCloseable {
  private final CudaKernels kernels;
  private final int device;
  private MemorySegment handle;
  private boolean recorded;

  CudaEvent(CudaKernels kernels, int device) {
    this.kernels = kernels;
    this.device = device;
    this.handle = kernels.createEvent(device);
  }

  /** The event is reached when the stream has passed what was launched so far. */
  void record(CudaStream stream) {
    kernels.recordEvent(stream.handle(), handle);
    recorded = true;
  }

  /** Waits until the event is reached, if it was ever recorded. */
  void synchronize() {
    if (recorded) {
      kernels.synchronizeEvent(device, handle);
    }
  }

  /** Closing twice is harmless. */
  @Override
  public void close() {
    if (handle != null) {
      MemorySegment open = handle;
      handle = null;
      kernels.destroyEvent(device, open);
    }
  }
}
