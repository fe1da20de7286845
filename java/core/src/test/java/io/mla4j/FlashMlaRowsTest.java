package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.cpu.Stored;
import io.mla4j.ops.Bf16;
import io.mla4j.spi.Backend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Given rows of FlashMLA, when they go into a cache and out of it, then every byte is the same. */
class FlashMlaRowsTest {
  // Never closed: mutation runs come again in one JVM.
  private static final Device DEVICE = new ScalarBackend().open(new Backend.Options(1, null));
  private static final LatentLayout LAYOUT = new LatentLayout(512, 64, CacheType.FP8);
  private static final int TOKENS = 11;

  private static LatentCache cache(LatentLayout layout) {
    return LatentCache.builder(DEVICE).layout(layout).layers(2).pageSize(4).pages(8).build();
  }

  private static Sequence sequence(LatentCache cache) {
    Sequence sequence = cache.newSequence();
    try (Step step = Batch.of(sequence).reserve(TOKENS)) {
      step.commit();
    }
    return sequence;
  }

  /** Codes without NaN, scales that are powers of two as FlashMLA's are, and others. */
  private static MemorySegment rows(int tokens) {
    SplittableRandom random = new SplittableRandom(5);
    MemorySegment rows = Arena.ofAuto().allocate((long) tokens * FlashMlaRows.BYTES);
    for (int t = 0; t < tokens; t++) {
      long at = (long) t * FlashMlaRows.BYTES;
      for (int i = 0; i < 512; i++) {
        int code = random.nextInt(256);
        rows.set(ValueLayout.JAVA_BYTE, at + i, (byte) ((code & 0x7f) == 0x7f ? 0x11 : code));
      }
      for (int g = 0; g < 4; g++) {
        float scale =
            g % 2 == 0 ? Math.scalb(1f, random.nextInt(-13, 3)) : (float) random.nextDouble();
        rows.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at + 512 + 4 * g, scale);
      }
      for (int i = 0; i < 64; i++) {
        short key = Bf16.fromFloat((float) random.nextGaussian());
        rows.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 528 + 2 * i, key);
      }
    }
    return rows;
  }

  @Test
  void everyByteComesBack() {
    MemorySegment rows = rows(TOKENS);
    MemorySegment back = Arena.ofAuto().allocate(rows.byteSize());
    try (LatentCache cache = cache(LAYOUT);
        Sequence sequence = sequence(cache)) {
      FlashMlaRows.write(sequence, 1, 0, TOKENS, rows);
      FlashMlaRows.read(sequence, 1, 0, TOKENS, back);
      assertEquals(-1, rows.mismatch(back));
      FlashMlaRows.read(sequence, 1, 3, 9, back);
      long six = 6L * FlashMlaRows.BYTES;
      assertEquals(-1, rows.asSlice(3L * FlashMlaRows.BYTES, six).mismatch(back.asSlice(0, six)));
    }
  }

  @Test
  void kernelsReadCodeTimesScale() {
    MemorySegment rows = rows(TOKENS);
    try (LatentCache cache = cache(LAYOUT);
        Sequence sequence = sequence(cache)) {
      FlashMlaRows.write(sequence, 0, 0, TOKENS, rows);
      float[] widened = new float[TOKENS * 576];
      RowGroup group = cache.group(0);
      Stored.widenRows(
          group.params(), group.base(0), sequence.pageTable(), 0, TOKENS, false, widened);
      for (int t = 0; t < TOKENS; t++) {
        long at = (long) t * FlashMlaRows.BYTES;
        for (int i = 0; i < 512; i++) {
          int bits = rows.get(ValueLayout.JAVA_BYTE, at + i) & 0xff;
          int exponent = bits >> 3 & 15;
          double code =
              exponent == 0 ? (bits & 7) * 0x1p-9 : Math.scalb(8.0 + (bits & 7), exponent - 10);
          float scale = rows.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at + 512 + i / 128 * 4L);
          assertEquals((float) (bits < 128 ? code : -code) * scale, widened[t * 576 + i]);
        }
        short key = rows.get(ValueLayout.JAVA_SHORT_UNALIGNED, at + 528 + 2 * 7);
        assertEquals(Bf16.toFloat(key), widened[t * 576 + 512 + 7]);
      }
    }
  }

  @Test
  void refusesWhatIsNotThere() {
    MemorySegment rows = rows(TOKENS);
    try (LatentCache cache = cache(LAYOUT);
        Sequence sequence = sequence(cache)) {
      assertRefused("layer is 2,", () -> FlashMlaRows.read(sequence, 2, 0, 1, rows));
      assertRefused("tokens are 0..12", () -> FlashMlaRows.read(sequence, 0, 0, 12, rows));
      MemorySegment few = rows.asSlice(1);
      assertRefused("rows has ", () -> FlashMlaRows.write(sequence, 0, 0, TOKENS, few));
      try (Sequence fork = sequence.fork()) {
        assertThrows(
            InvalidStateException.class, () -> FlashMlaRows.write(fork, 0, 0, TOKENS, rows));
        FlashMlaRows.read(fork, 0, 0, TOKENS, rows);
      }
      FlashMlaRows.write(sequence, 0, 0, TOKENS, rows);
    }
    try (LatentCache cache = cache(new LatentLayout(512, 64, CacheType.INT8));
        Sequence sequence = sequence(cache)) {
      assertRefused("the cache has rows of ", () -> FlashMlaRows.read(sequence, 0, 0, 1, rows));
    }
  }

  /** Pages have four tokens, and the other sequence has the first one alone. */
  @Test
  void onlyTheTokensPagesMustBeItsOwn() {
    MemorySegment rows = rows(TOKENS);
    MemorySegment back = Arena.ofAuto().allocate(4L * FlashMlaRows.BYTES);
    try (LatentCache cache = cache(LAYOUT);
        Sequence sequence = sequence(cache);
        Sequence other = sequence.fork()) {
      other.truncate(4);
      InvalidStateException e =
          assertThrows(
              InvalidStateException.class, () -> FlashMlaRows.write(sequence, 0, 3, 5, rows));
      assertEquals("tokens 3..5 lie in a page that another sequence shares", e.getMessage());
      FlashMlaRows.write(sequence, 0, 4, 8, rows);
      FlashMlaRows.read(sequence, 0, 4, 8, back);
      assertEquals(-1, back.mismatch(rows.asSlice(0, back.byteSize())));
      FlashMlaRows.write(sequence, 0, 3, 3, rows);
      assertThrows(InvalidStateException.class, () -> FlashMlaRows.write(other, 0, 3, 4, rows));
      other.truncate(0);
      FlashMlaRows.write(sequence, 0, 3, 5, rows);
    }
  }

  @Test
  void messagesNameTheRanges() {
    MemorySegment rows = rows(4);
    try (LatentCache cache = cache(LAYOUT);
        Sequence sequence = sequence(cache)) {
      assertRefused(
          "layer is -1, but must be in 0..1", () -> FlashMlaRows.read(sequence, -1, 0, 1, rows));
      assertRefused(
          "tokens are 3..2, but must lie in 0..11",
          () -> FlashMlaRows.read(sequence, 0, 3, 2, rows));
      assertRefused(
          "tokens are -1..2, but must lie in 0..11",
          () -> FlashMlaRows.read(sequence, 0, -1, 2, rows));
      assertRefused(
          "rows has 2624 bytes, but 5 tokens take 3280",
          () -> FlashMlaRows.read(sequence, 0, 2, 7, rows));
      try (Step _ = Batch.of(sequence).reserve(1)) {
        assertThrows(InvalidStateException.class, () -> FlashMlaRows.read(sequence, 0, 0, 1, rows));
      }
    }
  }

  private static void assertRefused(String begin, Executable body) {
    String text = assertThrows(InvalidArgumentException.class, body).getMessage();
    assertTrue(text.startsWith(begin), text);
  }
}
