package io.mla4j.cuda;

import java.lang.foreign.MemorySegment;

/**
 * The launches of a step, which can be launched again as one. It computes on the memory that the
 * step used, with the numbers that the step copied to the device; that memory must stay open.
 * Closed before its device. Thread-safe.
 */
public final class CudaGraph implements AutoCloseable {
  private final CudaDevice device;
  private final CudaStaging inputs;
  private final long moves;
  private MemorySegment handle;

  CudaGraph(CudaDevice device, CudaStaging inputs, MemorySegment handle, long moves) {
    this.device = device;
    this.inputs = inputs;
    this.handle = handle;
    this.moves = moves;
  }

  /**
   * Launches it behind what was launched before.
   *
   * @throws io.mla4j.ClosedException where the graph or its device is closed
   * @throws io.mla4j.InvalidStateException where an operation has since needed more memory than the
   *     device kept for it, so that what the graph computes in has moved
   * @throws io.mla4j.DeviceException where the launch fails
   */
  public void launch() {
    device.launch(this);
  }

  MemorySegment handle() {
    return handle;
  }

  /** The device's count when it was captured. */
  long moves() {
    return moves;
  }

  /** Waits for the device. Closing twice is harmless. */
  @Override
  public void close() {
    if (handle != null) {
      MemorySegment open = handle;
      handle = null;
      device.destroy(open, inputs);
    }
  }
}
