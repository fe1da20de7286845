package io.mla4j.cpu;

import io.mla4j.CacheType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentLayout;
import io.mla4j.ops.Floats;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;

/** Rows of the cache: where they lie, and what they hold. */
public final class Stored {
  private Stored() {}

  /**
   * The row of the pool, {@code page * pageSize +} the row in the page, of token {@code position}.
   *
   * @throws InvalidArgumentException where the entry of the page table is outside of the pool
   */
  private static long row(CacheParams params, MemorySegment pageTable, int position) {
    int tokens = params.entryTokens();
    int entry = Floats.getInt(pageTable, position / tokens);
    if (entry < 0 || entry >= params.entries()) {
      throw new InvalidArgumentException(
          "page_table["
              + position / tokens
              + "] is "
              + entry
              + ", but the pool has "
              + (params.tableOfRows() ? "rows" : "pages")
              + " 0.."
              + (params.entries() - 1));
    }
    return (long) entry * tokens + position % tokens;
  }

  /**
   * The byte offset of token {@code position}'s row in a layer.
   *
   * @throws InvalidArgumentException where its page id is outside of the pool
   */
  public static long rowOffset(CacheParams params, MemorySegment pageTable, int position) {
    long row = row(params, pageTable, position);
    return row / params.pageSize() * params.pageStrideBytes()
        + row % params.pageSize() * params.layout().rowStrideBytes();
  }

  /**
   * The byte offset of the scales of token {@code position} in a layer.
   *
   * @throws InvalidArgumentException where its page id is outside of the pool
   */
  public static long scaleOffset(CacheParams params, MemorySegment pageTable, int position) {
    long row = row(params, pageTable, position);
    return row / params.pageSize() * params.pageStrideBytes()
        + params.scaleOffsetBytes()
        + row % params.pageSize() * params.layout().scaleBytes();
  }

  /**
   * Widens the rows of tokens {@code [begin, end)}: {@code to[i * (latent + rope) ..]}, latent
   * first; what is under scales is rounded to bfloat16 where {@code rounds}.
   */
  public static void widenRows(
      CacheParams params,
      MemorySegment cache,
      MemorySegment pageTable,
      int begin,
      int end,
      boolean rounds,
      float[] to) {
    LatentLayout layout = params.layout();
    int latent = layout.latent();
    int rope = layout.rope();
    for (int s = begin, at = 0; s < end; s++, at += latent + rope) {
      long row = rowOffset(params, pageTable, s);
      layout.type().format().widen(cache, row, to, at, latent);
      if (layout.type().hasScales()) {
        multiplyScales(layout, cache, scaleOffset(params, pageTable, s), to, at);
        Floats.roundIf(rounds, to, at, latent);
      }
      long key = row + layout.ropeOffsetBytes();
      layout.type().ropeFormat().widen(cache, key, to, at + latent, rope);
    }
  }

  private static void multiplyScales(
      LatentLayout layout, MemorySegment cache, long scales, float[] to, int at) {
    for (int group = 0; group < layout.scales(); group++) {
      float scale = scale(layout.type(), cache, scales, group);
      int end = Math.min(layout.latent(), (group + 1) * layout.type().scaleColumns());
      for (int i = group * layout.type().scaleColumns(); i < end; i++) {
        to[at + i] *= scale;
      }
    }
  }

  /** Scale {@code group} of a row whose scales begin {@code offset} bytes into the cache. */
  public static float scale(CacheType type, MemorySegment cache, long offset, int group) {
    return type.scaleFormat().read(cache, offset + type.scaleFormat().bytes(group));
  }

  /**
   * Writes the row of token {@code position}, and its scales.
   *
   * @param row {@link LatentLayout#rowElements} elements, padding included: zeros
   */
  static void narrowRow(
      CacheParams params, MemorySegment cache, MemorySegment pageTable, int position, float[] row) {
    LatentLayout layout = params.layout();
    long offset = rowOffset(params, pageTable, position);
    int key = layout.ropeOffset();
    int width = layout.rowElements();
    if (layout.type().hasScales()) {
      narrowLatent(layout, cache, offset, scaleOffset(params, pageTable, position), row);
    } else {
      layout.type().format().narrow(row, 0, key, cache, offset);
    }
    long keyBytes = layout.ropeOffsetBytes();
    layout.type().ropeFormat().narrow(row, key, width - key, cache, offset + keyBytes);
  }

  private static void narrowLatent(
      LatentLayout layout, MemorySegment cache, long codes, long scales, float[] row) {
    StorageFormat format = layout.type().format();
    StorageFormat scaleFormat = layout.type().scaleFormat();
    int columns = layout.type().scaleColumns();
    float[] value = new float[1];
    for (int group = 0; group < layout.scales(); group++) {
      int begin = group * columns;
      int end = Math.min(layout.ropeOffset(), begin + columns);
      float largest = Floats.largestMagnitude(row, begin, end);
      value[0] = format.latentScale(largest, Floats.contains(row, begin, end, -largest));
      scaleFormat.narrow(value, 0, 1, cache, scales + scaleFormat.bytes(group));
      float scale = scale(layout.type(), cache, scales, group);
      for (int i = begin; i < end; i++) {
        row[i] = scale != 0 && Float.isFinite(scale) ? row[i] / scale : 0;
      }
      format.narrow(row, begin, end - begin, cache, codes + format.bytes(begin));
    }
  }
}
