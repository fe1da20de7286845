package io.mla4j.cpu;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Floats;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;

/** Rows of the cache: where they lie, and what they hold. */
public final class Stored {
  private Stored() {}

  /**
   * The byte offset of token {@code position}'s row in a layer.
   *
   * @throws InvalidArgumentException where its page id is outside of the pool
   */
  public static long rowOffset(CacheParams params, MemorySegment pageTable, int position) {
    int page = Floats.getInt(pageTable, position / params.pageSize());
    if (page < 0 || page >= params.pageCount()) {
      throw new InvalidArgumentException(
          "page_table["
              + position / params.pageSize()
              + "] is "
              + page
              + ", but the pool has pages 0.."
              + (params.pageCount() - 1));
    }
    return page * params.pageStrideBytes()
        + position % params.pageSize() * params.layout().rowStrideBytes();
  }

  /**
   * Widens the rows of tokens {@code [begin, end)}: {@code to[i * (latent + rope) ..]}, latent
   * first.
   */
  public static void widenRows(
      CacheParams params,
      MemorySegment cache,
      MemorySegment pageTable,
      int begin,
      int end,
      float[] to) {
    StorageFormat format = params.layout().type().format();
    int latent = params.layout().latent();
    int rope = params.layout().rope();
    for (int s = begin, at = 0; s < end; s++, at += latent + rope) {
      long row = rowOffset(params, pageTable, s);
      format.widen(cache, row, to, at, latent);
      long key = row + format.bytes(params.layout().ropeOffset());
      format.widen(cache, key, to, at + latent, rope);
    }
  }
}
