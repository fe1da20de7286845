package io.mla4j.testkit;

import io.mla4j.LatentLayout;
import io.mla4j.ops.StorageFormat;
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
  private byte[] before;

  /** Room for {@code tokens} tokens. */
  Pages(GuardedMemory memory, CaseRandom random, LatentLayout layout, int pageSize, int tokens) {
    int used = (tokens + pageSize - 1) / pageSize;
    int count = used + random.between(0, 3);
    long gap = random.oneIn(3) ? 64L * random.between(1, 3) : 0;
    long stride = layout.rowStrideBytes() * pageSize + gap;
    params = new CacheParams(layout, pageSize, count, stride);
    cache = memory.allocate(count == 0 ? 0 : count * stride - gap, 64);
    pages = Arrays.copyOf(random.permutation(count), used);
    int tail = random.between(0, 2);
    table = memory.allocate(4L * (used + tail), 4);
    for (int i = 0; i < used; i++) {
      table.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i, pages[i]);
    }
    for (int i = used; i < used + tail; i++) {
      table.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i, Integer.MAX_VALUE);
    }
  }

  /** Writes dense rows {@code (tokens, latent + rope)}; padding is zero, as append leaves it. */
  Pages fill(float[] rows) {
    LatentLayout layout = params.layout();
    StorageFormat type = layout.type().format();
    int width = layout.latent() + layout.rope();
    for (int s = 0; s < rows.length / width; s++) {
      long at = rowOffset(s);
      cache.asSlice(at, layout.rowStrideBytes()).fill((byte) 0);
      for (int i = 0; i < width; i++) {
        int element = i < layout.latent() ? i : layout.ropeOffset() + i - layout.latent();
        Rounding.write(type, cache, at / type.blockBytes() + element, rows[s * width + i]);
      }
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
    StorageFormat type = params.layout().type().format();
    float[] row = new float[rowElements(params.layout())];
    for (int i = 0; i < row.length; i++) {
      row[i] = Rounding.read(type, cache, rowOffset(s) / type.blockBytes() + i);
    }
    return row;
  }

  /** Everything but the rows of tokens {@code written} must still be poison. */
  void requirePoisonBut(boolean[] written) {
    MemorySegment copy = MemorySegment.ofArray(cache.toArray(ValueLayout.JAVA_BYTE));
    for (int s = 0; s < written.length; s++) {
      if (written[s]) {
        GuardedMemory.fill(copy, rowOffset(s), rowOffset(s) + params.layout().rowStrideBytes());
      }
    }
    for (long i = 0; i < copy.byteSize(); i += 4) {
      if (copy.get(ValueLayout.JAVA_INT_UNALIGNED, i) != GuardedMemory.POISON) {
        throw new AssertionError("the cache was written at byte " + i + ", which is no new row's");
      }
    }
  }

  static int rowElements(LatentLayout layout) {
    return layout.rowElements();
  }

  private long rowOffset(int s) {
    return pages[s / params.pageSize()] * params.pageStrideBytes()
        + s % params.pageSize() * params.layout().rowStrideBytes();
  }

  /** Rows of normal numbers as the cache type holds them. */
  static float[] randomRows(CaseRandom r, LatentLayout layout, int tokens, double deviation) {
    float[] rows = r.normals(tokens * (layout.latent() + layout.rope()), deviation);
    for (int i = 0; i < rows.length; i++) {
      rows[i] = Rounding.stored(layout.type().format(), rows[i]);
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
