package io.mla4j.spi;

import io.mla4j.InvalidStateException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The pages of one layer and one sequence. Set anew for every step. Not thread-safe. */
public abstract class CachePages {
  private @Nullable CacheParams cache;
  private MemorySegment pages = MemorySegment.NULL;
  private MemorySegment pageTable = MemorySegment.NULL;

  CachePages() {}

  /** {@code pages}: the layer's first; {@code pageTable}: I32 page ids of the sequence's tokens. */
  public final void pages(CacheParams cache, MemorySegment pages, MemorySegment pageTable) {
    this.cache = cache;
    this.pages = pages;
    this.pageTable = pageTable;
  }

  /**
   * Numbers of the pages.
   *
   * @throws InvalidStateException before there are pages
   */
  public final CacheParams cache() {
    if (cache == null) {
      throw new InvalidStateException("a tile of a cache has no pages yet");
    }
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
