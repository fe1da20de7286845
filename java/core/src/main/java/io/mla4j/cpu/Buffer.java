package io.mla4j.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory of an operation that is kept for the next one and grows when one needs more. Used under
 * the lock of {@link Workers}.
 */
final class Buffer implements AutoCloseable {
  private final CpuDevice.Allocator allocator;
  private Arena arena;
  private MemorySegment segment = MemorySegment.NULL;

  Buffer(CpuDevice.Allocator allocator) {
    this.allocator = allocator;
  }

  /** At least {@code bytes} with unspecified content. */
  MemorySegment bytes(long bytes) {
    if (segment.byteSize() < bytes) {
      close();
      Arena next = Arena.ofShared();
      // A half more than asked for, so that a context that grows token by token does not reallocate
      // at every step.
      segment = allocator.allocate(roundUp(bytes + bytes / 2), next);
      arena = next;
    }
    return segment;
  }

  /** At least {@code count} float32 numbers. */
  MemorySegment floats(long count) {
    return bytes(Math.multiplyExact(count, Float.BYTES));
  }

  static long roundUp(long bytes) {
    return (bytes + 63) & -64;
  }

  @Override
  public void close() {
    if (arena != null) {
      arena.close();
      arena = null;
      segment = MemorySegment.NULL;
    }
  }
}
