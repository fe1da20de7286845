package io.mla4j;

import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The pages of a cache: which are free, and how many hold each of the others. Belongs to whoever
 * has the lock of the cache.
 */
final class PagePool {
  private final List<RowGroup> groups;
  private final int[] references;
  private final int[] free;
  private int freeCount;

  /** Null where all memory stays. */
  private final @Nullable PoolMemory memory;

  /**
   * @param memory follows the use of the pages, or null
   */
  PagePool(int pages, List<RowGroup> groups, @Nullable PoolMemory memory) {
    this.groups = groups;
    this.memory = memory;
    references = new int[pages];
    free = new int[pages];
    for (int i = 0; i < pages; i++) {
      free[i] = pages - 1 - i;
    }
    freeCount = pages;
  }

  int freeCount() {
    return freeCount;
  }

  /** A page that the caller holds, after a check of {@link #freeCount()}. */
  int take() {
    int page = free[--freeCount];
    references[page] = 1;
    if (memory != null) {
      memory.taken(page);
    }
    return page;
  }

  /** One more holds the page. */
  void retain(int page) {
    references[page]++;
  }

  /** One fewer holds the page. */
  void release(int page) {
    if (--references[page] == 0) {
      free[freeCount++] = page;
    }
  }

  /** Whether more than one hold the page. */
  boolean isShared(int page) {
    return references[page] > 1;
  }

  /** After pages were released: gives back what lies idle. */
  void settle() {
    if (memory != null && memory.isWorthwhile(references.length - freeCount)) {
      BitSet used = new BitSet();
      for (int page = 0; page < references.length; page++) {
        used.set(page, references[page] > 0);
      }
      memory.giveBack(used, groups);
    }
  }

  /** Whether what is no longer used goes back to the system. */
  boolean followsUse() {
    return memory != null;
  }

  /** Bytes of pages that take up memory, {@code all} where all do. */
  long residentBytes(long all) {
    return memory == null ? all : memory.bytes();
  }
}
