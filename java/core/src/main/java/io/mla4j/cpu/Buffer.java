package io.mla4j.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory that the operations of a device take turns to use; it grows when one needs more, and then
 * everybody's views of it are void. Used between {@link Workers#enter} and {@link Workers#leave};
 * {@link #view} by the tiles, too.
 */
final class Buffer implements AutoCloseable {
  private static final int VIEWS = 512;

  private final CpuDevice.Allocator allocator;
  private @Nullable Arena arena;
  private MemorySegment segment = MemorySegment.NULL;
  private @Nullable View[] views = new @Nullable View[VIEWS];
  private int generation;

  Buffer(CpuDevice.Allocator allocator) {
    this.allocator = allocator;
  }

  /** Makes room for {@code bytes} with unspecified content. */
  void reserve(long bytes) {
    if (segment.byteSize() < bytes) {
      close();
      Arena next = Arena.ofShared();
      // A half more than asked for, so that a context that grows token by token does not reallocate
      // at every step.
      segment = allocator.allocate(roundUp(bytes + bytes / 2), next);
      arena = next;
      views = new @Nullable View[VIEWS];
      generation++;
    }
  }

  /** Another number after the memory has moved. */
  int generation() {
    return generation;
  }

  /**
   * {@code bytes} from {@code offset} on, of what {@link #reserve} made room for. The same place is
   * the same object from call to call, as a rule, so that a decode loop makes no garbage.
   */
  MemorySegment view(long offset, long bytes) {
    if (bytes == 0) {
      return MemorySegment.NULL;
    }
    long hash = (offset * 31 + bytes) * 0x9E3779B97F4A7C15L;
    int slot = (int) (hash >>> 32) & VIEWS - 1;
    View view = views[slot]; // tiles race here; a view that is lost is made again
    if (view == null || view.offset != offset || view.segment.byteSize() != bytes) {
      view = new View(offset, segment.asSlice(offset, bytes));
      views[slot] = view;
    }
    return view.segment;
  }

  private record View(long offset, MemorySegment segment) {}

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
