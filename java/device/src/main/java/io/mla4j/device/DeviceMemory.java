package io.mla4j.device;

import io.mla4j.DeviceLostException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Consumer;

/**
 * Memory of a device and pinned memory of its host. An arena frees what was allocated in it; on the
 * device that waits for the kernels that use it.
 *
 * <p>What {@link #allocate} hands out belongs to an arena of a thread that has ended: its address,
 * size and slices are right, and no thread may touch it. A call gets the segment behind it ({@link
 * #resolve}), which the caller's arena keeps open during the call. Thread-safe.
 */
final class DeviceMemory {
  private static final System.Logger LOG = System.getLogger("io.mla4j.device");
  private static final MemorySegment UNTOUCHABLE = untouchable();
  static final long ALIGNMENT = 64;

  private final DeviceDriver driver;

  /** What is allocated, by its address. */
  private final ConcurrentSkipListMap<Long, MemorySegment> live = new ConcurrentSkipListMap<>();

  DeviceMemory(DeviceDriver driver) {
    this.driver = driver;
  }

  /** A multiple of the alignment that holds {@code bytes}. */
  static long aligned(long bytes) {
    return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
  }

  /**
   * Makes an arena that belongs to its thread. Not a lambda: that would wait for this class to be
   * initialised.
   */
  private static final class Owner implements Runnable {
    private MemorySegment all;

    @Override
    public void run() {
      all = MemorySegment.NULL.reinterpret(Long.MAX_VALUE, Arena.ofConfined(), null);
    }
  }

  /** All addresses, in an arena that no living thread owns. */
  private static MemorySegment untouchable() {
    Owner owner = new Owner();
    Thread thread = Thread.ofPlatform().name("mla4j-device-memory").start(owner);
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return owner.all;
  }

  /**
   * Memory of a device as {@link #allocate} hands it out; whether it is there, {@link #resolve}
   * tells.
   */
  static MemorySegment at(long address, long bytes) {
    return UNTOUCHABLE.asSlice(address, bytes);
  }

  /** Memory with unspecified content that is freed when {@code arena} closes. */
  MemorySegment allocate(long bytes, Arena arena) {
    if (bytes < 0) {
      throw new InvalidArgumentException("bytes is " + bytes + ", but must not be negative");
    }
    MemorySegment address = driver.allocate(Math.max(ALIGNMENT, bytes));
    long key = address.address();
    live.put(key, attach(address, bytes, arena, this::release));
    return at(key, bytes);
  }

  private void release(MemorySegment memory) {
    live.remove(memory.address());
    free("device memory", driver::release, memory);
  }

  /** Pinned memory of the host with unspecified content, freed when {@code arena} closes. */
  MemorySegment allocatePinned(long bytes, Arena arena) {
    return attach(
        driver.allocatePinned(bytes),
        bytes,
        arena,
        m -> free("pinned memory", driver::releasePinned, m));
  }

  /** The arena frees the memory; where it cannot take it, it is freed at once. */
  private static MemorySegment attach(
      MemorySegment address, long bytes, Arena arena, Consumer<MemorySegment> release) {
    try {
      return address.reinterpret(bytes, arena, release);
    } catch (RuntimeException e) {
      release.accept(address);
      throw e;
    }
  }

  /**
   * Closing an arena must free the rest of it, too: what a lost device does not take back is gone
   * with it.
   */
  private static void free(String what, Consumer<MemorySegment> release, MemorySegment memory) {
    try {
      release.accept(memory);
    } catch (DeviceLostException e) {
      // The call that lost it has told.
    } catch (Mla4jException e) {
      LOG.log(Level.WARNING, "freeing {0} failed: {1}", what, e.getMessage());
    }
  }

  /** Whether the segment is memory of this device. */
  boolean owns(MemorySegment segment) {
    return segment.isNative() && find(segment) != null;
  }

  /** The live allocation that holds all of {@code segment}, or null. */
  private MemorySegment find(MemorySegment segment) {
    Map.Entry<Long, MemorySegment> entry = live.floorEntry(segment.address());
    if (entry == null) {
      return null;
    }
    MemorySegment memory = entry.getValue();
    long offset = segment.address() - entry.getKey();
    return offset <= memory.byteSize() - segment.byteSize() ? memory : null;
  }

  /**
   * What a call is given for a segment of {@link #allocate} or a slice of one.
   *
   * @throws InvalidArgumentException where it is no memory of this device, or was freed
   */
  MemorySegment resolve(String name, MemorySegment segment) {
    MemorySegment memory = segment.isNative() ? find(segment) : null;
    if (memory == null) {
      throw new InvalidArgumentException(
          name
              + " is not in memory of the "
              + driver.backend()
              + " device: it is the host's (Device.place and Device.copy bring it there), another"
              + " device's, or freed");
    }
    return memory.asSlice(segment.address() - memory.address(), segment.byteSize());
  }
}
