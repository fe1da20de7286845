package io.mla4j.spi;

import io.mla4j.LatentLayout;

/**
 * Numbers of a layer's pages, {@code mla_cache_params}: token s of a sequence lies in row {@code s
 * % pageSize} of page {@code pageTable[s / pageSize]}.
 *
 * @param pageSize tokens in a page
 * @param pageCount pages of the pool; ids outside of it are refused
 * @param pageStrideBytes bytes between pages of one layer
 * @param tableOfRows whether the page table has a row for each token instead: {@code page *
 *     pageSize +} the row in the page
 */
public record CacheParams(
    LatentLayout layout, int pageSize, int pageCount, long pageStrideBytes, boolean tableOfRows) {
  /** Pages with a table of pages. */
  public CacheParams(LatentLayout layout, int pageSize, int pageCount, long pageStrideBytes) {
    this(layout, pageSize, pageCount, pageStrideBytes, false);
  }

  /** The same pages with a table of rows. */
  public CacheParams withTableOfRows() {
    return new CacheParams(layout, pageSize, pageCount, pageStrideBytes, true);
  }

  /** Tokens that an entry of the page table stands for. */
  public int entryTokens() {
    return tableOfRows ? 1 : pageSize;
  }

  /** Entries that there may be in a page table. */
  public long entries() {
    return (long) pageCount * (tableOfRows ? pageSize : 1);
  }

  /** Bytes from a page's start to the scales of its rows. */
  public long scaleOffsetBytes() {
    return pageSize * layout.rowStrideBytes();
  }
}
