package io.mla4j;

import io.mla4j.spi.CacheParams;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Cached tokens as FlashMLA stores them in 8 bits: rows of 656 bytes, 512 E4M3 floats of the
 * latent, four float32 scales, one for 128 of these, and the rotated key in 64 bfloat16. What lies
 * in a cache of {@link CacheType#FP8} is the same numbers in other places, so that both ways are
 * exact, whatever the scales are (FlashMLA's are powers of two). Source: FlashMLA, tests/quant.py.
 */
public final class FlashMlaRows {
  /** Bytes of a row. */
  public static final int BYTES = 656;

  private static final int LATENT = 512;
  private static final int ROPE = 64;
  private static final long SCALES = 16;

  private FlashMlaRows() {}

  /**
   * Copies tokens {@code [begin, end)} of a layer out of the cache.
   *
   * @param to (end - begin) rows, one behind the other
   * @throws InvalidArgumentException where the cache does not store such rows, tokens or layer are
   *     not there, or the segment is too short
   * @throws InvalidStateException within an open step
   * @throws ClosedException after the sequence or the cache was closed
   */
  public static void read(Sequence sequence, int layer, int begin, int end, MemorySegment to) {
    copy(sequence, layer, begin, end, to, false);
  }

  /**
   * Replaces tokens {@code [begin, end)} of a layer, which a step has added before, by others.
   *
   * @param from (end - begin) rows, one behind the other
   * @throws InvalidArgumentException where the cache does not store such rows, tokens or layer are
   *     not there, or the segment is too short
   * @throws InvalidStateException within an open step, or where another sequence shares a page of
   *     the tokens
   * @throws ClosedException after the sequence or the cache was closed
   */
  public static void write(Sequence sequence, int layer, int begin, int end, MemorySegment from) {
    copy(sequence, layer, begin, end, from, true);
  }

  private static void copy(
      Sequence sequence, int layer, int begin, int end, MemorySegment rows, boolean writes) {
    LatentCache cache = sequence.cache();
    synchronized (cache) {
      sequence.requireIdle();
      check(sequence, layer, begin, end, rows);
      if (writes) {
        requireOwnPages(sequence, begin, end);
      }
      RowGroup group = cache.group(0);
      try (PagedView.Lease _ = cache.acquire();
          Arena arena = Arena.ofConfined()) {
        MemorySegment row = arena.allocate(BYTES, 64);
        for (int s = begin; s < end; s++) {
          long at = (long) (s - begin) * BYTES;
          if (writes) {
            MemorySegment.copy(rows, at, row, 0, BYTES);
          }
          move(cache.device(), group.params(), group.base(layer), place(sequence, s), row, writes);
          if (!writes) {
            MemorySegment.copy(row, 0, rows, at, BYTES);
          }
        }
      }
    }
  }

  /** Page and row in the page of a token. */
  private record Place(long page, long slot) {}

  private static Place place(Sequence sequence, int token) {
    int pageSize = sequence.cache().pageSize();
    return new Place(sequence.page(token / pageSize), token % pageSize);
  }

  private static void move(
      Device device,
      CacheParams params,
      MemorySegment base,
      Place place,
      MemorySegment row,
      boolean writes) {
    long page = place.page * params.pageStrideBytes();
    long stored = page + place.slot * params.layout().rowStrideBytes();
    long scales = page + params.scaleOffsetBytes() + place.slot * SCALES;
    long key = 2L * ROPE;
    if (writes) {
      device.copy(row, 0, base, stored, LATENT);
      device.copy(row, LATENT, base, scales, SCALES);
      device.copy(row, LATENT + SCALES, base, stored + LATENT, key);
    } else {
      device.copy(base, stored, row, 0, LATENT);
      device.copy(base, scales, row, LATENT, SCALES);
      device.copy(base, stored + LATENT, row, LATENT + SCALES, key);
    }
  }

  private static void check(Sequence sequence, int layer, int begin, int end, MemorySegment rows) {
    LatentCache cache = sequence.cache();
    LatentLayout layout = cache.layout();
    if (!layout.equals(new LatentLayout(LATENT, ROPE, CacheType.FP8))) {
      throw new InvalidArgumentException(
          "the cache has rows of " + layout + ", but FlashMLA's are FP8 of 512 + 64");
    }
    if (layer < 0 || layer >= cache.layers()) {
      throw new InvalidArgumentException(
          "layer is " + layer + ", but must be in 0.." + (cache.layers() - 1));
    }
    if (begin < 0 || end < begin || end > sequence.length()) {
      throw new InvalidArgumentException(
          "tokens are " + begin + ".." + end + ", but must lie in 0.." + sequence.length());
    }
    if (rows.byteSize() < (long) (end - begin) * BYTES) {
      throw new InvalidArgumentException(
          "rows has "
              + rows.byteSize()
              + " bytes, but "
              + (end - begin)
              + " tokens take "
              + (long) (end - begin) * BYTES);
    }
  }

  private static void requireOwnPages(Sequence sequence, int begin, int end) {
    LatentCache cache = sequence.cache();
    int pageSize = cache.pageSize();
    for (int i = begin / pageSize; begin < end && i <= (end - 1) / pageSize; i++) {
      if (cache.pool().isShared(sequence.page(i))) {
        throw new InvalidStateException(
            "tokens " + begin + ".." + end + " lie in a page that another sequence shares");
      }
    }
  }
}
