package io.mla4j.spi;

import java.lang.foreign.MemorySegment;

/** The pages of one layer and one sequence. Set anew for every step. Not thread-safe. */
public abstract class CachePages {
  private CacheParams cache;
  private MemorySegment pages = MemorySegment.NULL;
  private MemorySegment pageTable = MemorySegment.NULL;

  CachePages() {}

  /** {@code pages}: the layer's first; {@code pageTable}: I32 page ids of the sequence's tokens. */
  public final void pages(CacheParams cache, MemorySegment pages, MemorySegment pageTable) {
    this.cache = cache;
    this.pages = pages;
    this.pageTable = pageTable;
  }

  /** Numbers of the pages. */
  public final CacheParams cache() {
    return cache;
  }

  /** All pages of the layer. */
  public final MemorySegment pages() {
    return pages;
  }

  /** The sequence's page ids. */
  public final MemorySegment pageTable() {
    return pageTable;
  }
}
