package io.mla4j.testkit;

import io.mla4j.LatentLayout;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A layer of a latent cache in guarded memory: shuffled pages, of which some belong to nobody,
 * sometimes gaps between pages, poison in every row that holds no token, and an impossible page id
 * behind the table's end.
 */
final class Pages {
  final CacheParams params;
  final MemorySegment cache;
  final MemorySegment table;
  private final int[] pages;
  private final StoredRows stored;
  private byte[] before;

  /** Room for {@code tokens} tokens, with a table of pages. */
  Pages(GuardedMemory memory, CaseRandom random, LatentLayout layout, int pageSize, int tokens) {
    this(memory, random, layout, new Sizes(pageSize, tokens, false));
  }

  /** {@code tableOfRows}: whether the table names rows instead of pages. */
  record Sizes(int pageSize, int tokens, boolean tableOfRows) {}

  /** Room for so many tokens. */
  Pages(GuardedMemory memory, CaseRandom random, LatentLayout layout, Sizes sizes) {
    stored = new StoredRows(layout);
    int pageSize = sizes.pageSize;
    int tokens = sizes.tokens;
    int used = (tokens + pageSize - 1) / pageSize;
    int count = used + random.between(0, 3);
    long gap = random.oneIn(3) ? 64L * random.between(1, 3) : 0;
    long stride = layout.pageBytes(pageSize) + gap;
    params = new CacheParams(layout, pageSize, count, stride, sizes.tableOfRows);
    cache = memory.allocate(count == 0 ? 0 : count * stride - gap, 64);
    pages = Arrays.copyOf(random.permutation(count), used);
    int tail = random.between(0, 2);
    int entries = sizes.tableOfRows ? tokens : used;
    table = memory.allocate(4L * (entries + tail), 4);
    for (int i = 0; i < entries; i++) {
      int entry = sizes.tableOfRows ? pages[i / pageSize] * pageSize + i % pageSize : pages[i];
      table.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i, entry);
    }
    for (int i = entries; i < entries + tail; i++) {
      table.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i, Integer.MAX_VALUE);
    }
  }

  /** Writes dense rows {@code (tokens, latent + rope)}; padding is zero, as append leaves it. */
  Pages fill(float[] rows) {
    int width = params.layout().latent() + params.layout().rope();
    for (int s = 0; s < rows.length / width; s++) {
      stored.write(rows, s * width, cache, rowOffset(s), scaleOffset(s));
    }
    before = cache.toArray(ValueLayout.JAVA_BYTE);
    return this;
  }

  /** Nobody may have written. */
  void requireUnchanged() {
    if (!Arrays.equals(before, cache.toArray(ValueLayout.JAVA_BYTE))) {
      throw new AssertionError("the cache was changed");
    }
  }

  /** Every number of the row of token s, padding included. */
  float[] row(int s) {
    float[] row = new float[rowElements(params.layout())];
    for (int i = 0; i < row.length; i++) {
      row[i] = stored.read(cache, rowOffset(s), scaleOffset(s), i);
    }
    return row;
  }

  /** Everything but the rows of tokens {@code written} must still be poison. */
  void requirePoisonBut(boolean[] written) {
    MemorySegment copy = MemorySegment.ofArray(cache.toArray(ValueLayout.JAVA_BYTE));
    for (int s = 0; s < written.length; s++) {
      if (written[s]) {
        fillPoison(copy, rowOffset(s), params.layout().rowStrideBytes());
        fillPoison(copy, scaleOffset(s), params.layout().scaleBytes());
      }
    }
    for (long i = 0; i < copy.byteSize(); i += 4) {
      if (copy.get(ValueLayout.JAVA_INT_UNALIGNED, i) != GuardedMemory.POISON) {
        throw new AssertionError("the cache was written at byte " + i + ", which is no new row's");
      }
    }
  }

  /** As the whole was filled: its bytes are those of the pattern at their place. */
  static void fillPoison(MemorySegment pages, long from, long bytes) {
    for (long i = from; i < from + bytes; i++) {
      pages.set(ValueLayout.JAVA_BYTE, i, (byte) (GuardedMemory.POISON >>> 8 * (i % 4)));
    }
  }

  static int rowElements(LatentLayout layout) {
    return layout.rowElements();
  }

  private long rowOffset(int s) {
    return pages[s / params.pageSize()] * params.pageStrideBytes()
        + s % params.pageSize() * params.layout().rowStrideBytes();
  }

  private long scaleOffset(int s) {
    return pages[s / params.pageSize()] * params.pageStrideBytes()
        + params.scaleOffsetBytes()
        + s % params.pageSize() * params.layout().scaleBytes();
  }

  /** Rows of normal numbers as the cache type holds them. */
  static float[] randomRows(CaseRandom r, LatentLayout layout, int tokens, double deviation) {
    float[] rows = r.normals(tokens * (layout.latent() + layout.rope()), deviation);
    StoredRows stored = new StoredRows(layout);
    for (int s = 0; s < tokens; s++) {
      stored.store(rows, s * (layout.latent() + layout.rope()));
    }
    return rows;
  }

  static int randomLatent(CaseRandom r, int max) {
    return r.oneIn(4) ? Math.min(max, r.of(16, 64, 128, 256, 512)) : r.size(16, max);
  }

  static int randomRope(CaseRandom r) {
    return 2 * (r.oneIn(4) ? r.of(0, 32) : r.size(0, 32));
  }

  static int randomPageSize(CaseRandom r) {
    return r.oneIn(3) ? r.of(1, 16, 64, 128) : r.size(1, 128);
  }
}
