package io.mla4j.cpu;

import io.mla4j.Mla4jException;
import io.mla4j.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/** Pages that are kept in memory by mlock(2). */
final class LockedPages implements PinnedMemory {
  private final FilePages system;
  private final Deque<MemorySegment> locked = new ArrayDeque<>();
  private final long bytes;

  private LockedPages(FilePages system, List<MemorySegment> segments) {
    this.system = system;
    bytes = segments.stream().mapToLong(MemorySegment::byteSize).sum();
  }

  /**
   * Reads the segments and keeps them.
   *
   * @throws Mla4jException where the system refuses, or has no way to do that
   */
  static PinnedMemory of(List<MemorySegment> segments) {
    FilePages system =
        FilePages.ofSystem()
            .orElseThrow(
                () ->
                    new Mla4jException(
                        "weights can be kept in memory on Linux only, with native access enabled"
                            + " for io.mla4j.core"));
    LockedPages pages = new LockedPages(system, segments);
    try {
      for (MemorySegment segment : segments) {
        system.lock(segment);
        pages.locked.push(segment);
      }
    } catch (Mla4jException e) {
      pages.close();
      throw new Mla4jException(
          "the shared weights, "
              + pages.bytes
              + " bytes, cannot be kept in memory: "
              + e.getMessage(),
          e);
    }
    return pages;
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public synchronized void close() {
    while (!locked.isEmpty()) {
      system.unlock(locked.pop());
    }
  }
}
