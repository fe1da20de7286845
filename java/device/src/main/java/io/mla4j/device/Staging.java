package io.mla4j.device;

import io.mla4j.Mla4jException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Pinned memory through which the host's memory goes to a device, in two halves: while one is
 * copied, the other is filled. The source may be overwritten as soon as a call returns, and nothing
 * waits for the device but a half that is still in use. Used in the device's turn.
 */
final class Staging implements AutoCloseable {
  private static final long HALF = 4 << 20;

  private final DeviceStream stream;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;
  private final DeviceEvent[] passed = new DeviceEvent[2];
  private int half;
  private long used;

  Staging(DeviceDriver driver, DeviceMemory memory, DeviceStream stream) {
    this.stream = stream;
    try {
      this.memory = memory.allocatePinned(2 * HALF, arena);
      passed[0] = driver.newEvent();
      passed[1] = driver.newEvent();
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** Copies {@code from}, of the host, to {@code to}, of the device and as long. */
  void upload(MemorySegment from, MemorySegment to) {
    long bytes = from.byteSize();
    for (long done = 0; done < bytes; ) {
      if (used == HALF) {
        swap();
      }
      long count = Math.min(bytes - done, HALF - used);
      MemorySegment part = memory.asSlice(half * HALF + used, count);
      part.copyFrom(from.asSlice(done, count));
      stream.copy(to.asSlice(done, count), part, count);
      used = Math.min(HALF, DeviceMemory.aligned(used + count));
      done += count;
    }
  }

  private void swap() {
    stream.record(passed[half]);
    half ^= 1;
    passed[half].synchronize();
    used = 0;
  }

  /**
   * Copies {@code from}, of the device, to {@code to}, of the host and as long, and waits for it.
   */
  void download(MemorySegment from, MemorySegment to) {
    swap();
    for (long done = 0; done < to.byteSize(); ) {
      long count = Math.min(to.byteSize() - done, HALF);
      MemorySegment part = memory.asSlice(half * HALF, count);
      stream.copy(part, from.asSlice(done, count), count);
      stream.synchronize();
      to.asSlice(done, count).copyFrom(part);
      done += count;
    }
  }

  /** The stream must have passed what was uploaded. */
  @Override
  public void close() {
    RuntimeException failure = null;
    for (DeviceEvent event : passed) {
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
