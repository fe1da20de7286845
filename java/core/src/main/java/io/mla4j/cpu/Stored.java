package io.mla4j.cpu;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Floats;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reading and writing stored numbers: runs of elements widened to float32, float32 runs rounded
 * when written, rows of the cache.
 */
public final class Stored {
  private Stored() {}

  /** Copies n float32 numbers at element offset {@code from} of segment to {@code to[at ..]}. */
  public static void readFloats(MemorySegment segment, long from, float[] to, int at, int n) {
    MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, from * Float.BYTES, to, at, n);
  }

  /** Copies {@code from[at .. at + n)} to element offset {@code to} of segment. */
  public static void writeFloats(float[] from, int at, MemorySegment segment, long to, int n) {
    MemorySegment.copy(from, at, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, to * Float.BYTES, n);
  }

  /** One float32 number. */
  public static float readFloat(MemorySegment segment, long index) {
    return segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
  }

  /** Writes one float32 number. */
  public static void writeFloat(MemorySegment segment, long index, float value) {
    segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, index * Float.BYTES, value);
  }

  /** One int32 number. */
  public static int readInt(MemorySegment segment, long index) {
    return segment.get(ValueLayout.JAVA_INT_UNALIGNED, index * Integer.BYTES);
  }

  /** Writes one int32 number. */
  public static void writeInt(MemorySegment segment, long index, int value) {
    segment.set(ValueLayout.JAVA_INT_UNALIGNED, index * Integer.BYTES, value);
  }

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
