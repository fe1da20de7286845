package io.mla4j;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * Which pages of a pool take up memory, where that follows use: those that a sequence has written
 * to since their memory was last given back to the system. Belongs to whoever has the lock of the
 * cache.
 */
final class PoolMemory {
  /** Pages that may lie idle in memory, as a part of those in use. */
  private static final int IDLE = 16;

  /** Bytes that may lie idle: giving back less is not worth the calls. */
  private static final long IDLE_BYTES = 4 << 20;

  private final Device device;
  private final long pageBytes;
  private final BitSet touched = new BitSet();
  private int count;

  private PoolMemory(Device device, long pageBytes) {
    this.device = device;
    this.pageBytes = pageBytes;
  }

  /** Of {@code memory} of the device; null where its memory stays whatever its use. */
  static @Nullable PoolMemory of(Device device, MemorySegment memory, long pageBytes) {
    return device.commitOnTouch(memory) ? new PoolMemory(device, pageBytes) : null;
  }

  /** A page is about to be written to. */
  void taken(int page) {
    if (!touched.get(page)) {
      touched.set(page);
      count++;
    }
  }

  /** Bytes of pages that take up memory. */
  long bytes() {
    return count * pageBytes;
  }

  /** Whether enough lies idle to give it back, so many pages being in use. */
  boolean isWorthwhile(int used) {
    long idle = count - used;
    return idle > used / IDLE && idle * pageBytes > IDLE_BYTES;
  }

  /** Gives back the pages that are not among {@code used}, runs of neighbours at once. */
  void giveBack(BitSet used, Iterable<RowGroup> groups) {
    touched.andNot(used);
    for (int from = touched.nextSetBit(0); from >= 0; ) {
      int to = touched.nextClearBit(from);
      for (RowGroup group : groups) {
        group.giveBack(device, from, to);
      }
      from = touched.nextSetBit(to);
    }
    touched.clear();
    touched.or(used);
    count = touched.cardinality();
  }
}
