package io.mla4j.cuda;

import io.mla4j.DeviceException;
import io.mla4j.Mla4jException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Pinned memory through which the host's memory goes to a device, in two halves: while one is
 * copied, the other is filled. The source may be overwritten as soon as a call returns, and nothing
 * waits for the device but a half that is still in use. Belongs to one thread at a time.
 */
final class CudaStaging implements AutoCloseable {
  private static final long HALF = 4 << 20;
  private static final long ALIGNMENT = 64;

  private final CudaKernels kernels;
  private final CudaStream stream;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;
  private final CudaEvent[] passed = new CudaEvent[2];
  private int half;
  private long used;
  private boolean fixed;

  CudaStaging(CudaKernels kernels, CudaMemory memory, int device, CudaStream stream) {
    this.kernels = kernels;
    this.stream = stream;
    try {
      this.memory = memory.allocateHost(2 * HALF, arena);
      passed[0] = new CudaEvent(kernels, device);
      passed[1] = new CudaEvent(kernels, device);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /**
   * What is uploaded from now on stays in pinned memory, where a graph reads it whenever it is
   * launched.
   */
  void fix() {
    fixed = true;
  }

  /**
   * Copies {@code from}, of the host, to {@code to}, of the device and as long.
   *
   * @throws DeviceException where a captured step has more than fits
   */
  void upload(MemorySegment from, MemorySegment to) {
    long bytes = from.byteSize();
    for (long done = 0; done < bytes; ) {
      if (used == HALF) {
        swap();
      }
      long count = Math.min(bytes - done, HALF - used);
      MemorySegment part = memory.asSlice(half * HALF + used, count);
      part.copyFrom(from.asSlice(done, count));
      kernels.copy(stream.handle(), to.asSlice(done, count), part, count);
      used = Math.min(HALF, (used + count + ALIGNMENT - 1) & -ALIGNMENT);
      done += count;
    }
  }

  private void swap() {
    if (fixed) {
      throw new DeviceException(
          "a captured step copies more than " + HALF + " bytes to the device");
    }
    passed[half].record(stream);
    half ^= 1;
    passed[half].synchronize();
    used = 0;
  }

  /**
   * Copies {@code from}, of the device, to {@code to}, of the host and as long, and waits for it.
   *
   * @throws DeviceException in a captured step
   */
  void download(MemorySegment from, MemorySegment to) {
    if (fixed) {
      throw new DeviceException("a captured step copies to the host, but nothing may wait in it");
    }
    swap();
    for (long done = 0; done < to.byteSize(); ) {
      long count = Math.min(to.byteSize() - done, HALF);
      MemorySegment part = memory.asSlice(half * HALF, count);
      kernels.copy(stream.handle(), part, from.asSlice(done, count), count);
      stream.synchronize();
      to.asSlice(done, count).copyFrom(part);
      done += count;
    }
  }

  /** The stream must have passed what was uploaded. */
  @Override
  public void close() {
    RuntimeException failure = null;
    for (CudaEvent event : passed) {
      try {
        if (event != null) {
          event.close();
        }
      } catch (Mla4jException e) {
        failure = e;
      }
    }
    arena.close();
    if (failure != null) {
      throw failure;
    }
  }
}
