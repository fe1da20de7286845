package io.mla4j.vector;

import io.mla4j.cpu.Stored;
import io.mla4j.ops.Floats;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;

/** Rows of a paged cache, read into the slab: widened to float32, or as they are stored. */
final class CachedRows {
  private float[] m;
  private CacheParams params;
  private MemorySegment cache;
  private MemorySegment pageTable;

  void set(float[] m, CacheParams params, MemorySegment cache, MemorySegment pageTable) {
    this.m = m;
    this.params = params;
    this.cache = cache;
    this.pageTable = pageTable;
  }

  MemorySegment cache() {
    return cache;
  }

  /** Where a token's row begins in the cache, in bytes. */
  long offset(int token) {
    return Stored.rowOffset(params, pageTable, token);
  }

  /**
   * m[to + t * stride ..] = the latent of token s + t, m[to + t * stride + ropeAt ..] = its rotated
   * key.
   */
  void widen(int s, int tokens, int to, int stride, int ropeAt) {
    StorageFormat format = params.layout().type().format();
    int latent = params.layout().latent();
    int rope = params.layout().rope();
    long keyBytes = format.bytes(params.layout().ropeOffset());
    for (int t = 0; t < tokens; t++) {
      long row = offset(s + t);
      Lanes.widen(format, cache, row, m, to + t * stride, latent);
      Lanes.widen(format, cache, row + keyBytes, m, to + t * stride + ropeAt, rope);
    }
  }

  /**
   * m[to + t * stride ..] = the row of token s + t as it is stored, or only brings it into the
   * processor's cache.
   *
   * @param stride of the cache too, in floats
   */
  void fetch(int s, int tokens, int to, int stride, boolean copy) {
    int pageSize = params.pageSize();
    for (int t = 0; t < tokens; ) {
      int count = Math.min(pageSize - (s + t) % pageSize, tokens - t);
      long row = offset(s + t);
      int at = to + t * stride;
      m[at] = Lanes.touch(cache, row, count * stride * (long) Float.BYTES);
      if (copy) {
        Floats.read(cache, row / Float.BYTES, m, at, count * stride);
      }
      t += count;
    }
  }
}
