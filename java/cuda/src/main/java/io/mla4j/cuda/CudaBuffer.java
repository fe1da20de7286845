package io.mla4j.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Device memory that is kept for the next operation and grows when one needs more. Used in turn.
 */
final class CudaBuffer implements AutoCloseable {
  private final CudaDevice device;
  private Arena arena;
  private MemorySegment segment = MemorySegment.NULL;

  CudaBuffer(CudaDevice device) {
    this.device = device;
  }

  /**
   * {@code bytes} with unspecified content, as kernels take it.
   *
   * @throws io.mla4j.DeviceException where a captured step needs more than there is
   */
  MemorySegment bytes(long bytes) {
    if (segment.byteSize() < bytes) {
      device.requireNoCapture();
      close();
      Arena next = Arena.ofShared();
      try {
        // A half more than asked for, so that a context that grows token by token does not
        // reallocate at every step.
        segment = device.resolve("buffer", device.memory().allocate(bytes + bytes / 2, next));
      } catch (RuntimeException | Error e) {
        next.close();
        throw e;
      }
      arena = next;
    }
    return segment.asSlice(0, bytes);
  }

  /** {@code count} float32 numbers. */
  MemorySegment floats(long count) {
    return bytes(Math.multiplyExact(count, Float.BYTES));
  }

  /** Waits for the kernels that use it. */
  @Override
  public void close() {
    if (arena != null) {
      segment = MemorySegment.NULL;
      Arena old = arena;
      arena = null;
      device.moved();
      old.close();
    }
  }
}
