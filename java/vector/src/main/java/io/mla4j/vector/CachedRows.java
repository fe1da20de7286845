package io.mla4j.vector;

import io.mla4j.LatentLayout;
import io.mla4j.cpu.Stored;
import io.mla4j.ops.Floats;
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
   * key. What is under scales is rounded to bfloat16 where {@code rounds}.
   */
  void widen(int s, int tokens, boolean rounds, int to, int stride, int ropeAt) {
    LatentLayout layout = params.layout();
    for (int t = 0; t < tokens; t++) {
      long row = offset(s + t);
      int at = to + t * stride;
      Lanes.widen(layout.type().format(), cache, row, m, at, layout.latent());
      if (layout.type().hasScales()) {
        multiplyScales(layout, Stored.scaleOffset(params, pageTable, s + t), at);
        if (rounds) {
          Lanes.roundBf16(m, at, layout.latent());
        }
      }
      long key = row + layout.ropeOffsetBytes();
      Lanes.widen(layout.type().ropeFormat(), cache, key, m, at + ropeAt, layout.rope());
    }
  }

  private void multiplyScales(LatentLayout layout, long scales, int at) {
    int columns = layout.type().scaleColumns();
    for (int group = 0; group < layout.scales(); group++) {
      int begin = group * columns;
      int n = Math.min(layout.latent(), begin + columns) - begin;
      Lanes.multiply(m, at + begin, n, Stored.scale(layout.type(), cache, scales, group));
    }
  }

  /**
   * m[to + t * stride ..] = the row of token s + t as it is stored, or only brings it into the
   * processor's cache.
   *
   * @param stride of the cache too, in floats
   */
  void fetch(int s, int tokens, int to, int stride, boolean copy) {
    int pageSize = params.entryTokens();
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
