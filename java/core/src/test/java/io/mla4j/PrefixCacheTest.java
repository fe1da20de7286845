package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Pages of texts that begin alike: found, shared, kept apart, given up. */
class PrefixCacheTest {
  private static final int PAGE = 4;
  private static final int PAGES = 8;

  private final Device device = new ScalarBackend().open(new Backend.Options(1, null));
  private final LatentCache cache = pool().build();
  private final PrefixCache prefixes = new PrefixCache(cache, cache.bytes());

  private LatentCache.Builder pool() {
    return LatentCache.builder(device)
        .layout(new LatentLayout(3, 2, CacheType.F32))
        .group(new LatentLayout(2, 0, CacheType.F32), 1)
        .pageSize(PAGE)
        .pages(PAGES);
  }

  @AfterEach
  void close() {
    prefixes.close();
    cache.close();
    device.close();
  }

  private static int[] ids(int from, int to) {
    return IntStream.range(from, to).toArray();
  }

  /** The ids, and a few others behind them. */
  private static int[] and(int[] ids, int... others) {
    int[] all = Arrays.copyOf(ids, ids.length + others.length);
    System.arraycopy(others, 0, all, ids.length, others.length);
    return all;
  }

  private static void append(Sequence sequence, int tokens) {
    try (Step step = Batch.of(sequence).reserve(tokens)) {
      step.commit();
    }
  }

  /** A sequence of ids, of which it computed those that were not known. */
  private Sequence text(String salt, int[] ids) {
    Sequence sequence = cache.newSequence();
    int known = prefixes.share(sequence, salt, ids);
    append(sequence, ids.length - known);
    prefixes.publish(sequence, salt, ids);
    return sequence;
  }

  private static int page(Sequence sequence, int i) {
    return sequence.pageTable().getAtIndex(ValueLayout.JAVA_INT, i);
  }

  @Test
  void fullPagesOfTheSameIdsAreShared() {
    Sequence first = text("", ids(0, 10));
    Sequence second = cache.newSequence();
    assertEquals(8, prefixes.share(second, "", and(ids(0, 9), 77, 78)));
    assertEquals(page(first, 0), page(second, 0));
    assertEquals(page(first, 1), page(second, 1));
    assertEquals(PAGES - 3, cache.freePages());
    append(second, 3);
    assertEquals(PAGES - 4, cache.freePages());
    assertEquals(
        new PrefixCache.Statistics(2, 1, 21, 8, 2 * cache.pageBytes(), 0, 2, 2 * cache.pageBytes()),
        prefixes.statistics());
  }

  @Test
  void aBeginningIsHashedOnceForAllCalls() {
    PrefixCache.Beginning beginning = prefixes.beginning("", ids(0, 8));
    Sequence first = cache.newSequence();
    append(first, 6);
    prefixes.publish(first, beginning, 6);
    Sequence second = cache.newSequence();
    assertEquals(4, prefixes.share(second, beginning), "the page that is full");
    append(second, 4);
    prefixes.publish(second, beginning, 8);
    Sequence third = cache.newSequence();
    assertEquals(8, prefixes.share(third, "", ids(0, 8)));
    assertThrows(InvalidArgumentException.class, () -> prefixes.publish(third, beginning, 9));
    try (LatentCache other = pool().pages(2).build()) {
      PrefixCache others = new PrefixCache(other, other.bytes());
      assertThrows(
          InvalidArgumentException.class, () -> others.share(other.newSequence(), beginning));
    }
  }

  @Test
  void aPageIsFoundOnlyBehindThePagesBeforeIt() {
    text("", ids(0, 8)).close();
    Sequence other = cache.newSequence();
    assertEquals(0, prefixes.share(other, "", and(new int[] {9, 9, 9, 9}, ids(4, 8))));
    assertEquals(4, prefixes.share(other, "", and(ids(0, 4), 9, 9, 9, 9)));
  }

  @Test
  void pagesStayWhenTheirSequenceIsClosed() {
    text("", ids(0, 9)).close();
    assertEquals(PAGES - 2, cache.freePages());
    assertEquals(8, prefixes.share(cache.newSequence(), "", ids(0, 9)));
  }

  @Test
  void aSequenceOfWholePagesTakesMore() {
    text("", ids(0, 12)).close();
    Sequence later = cache.newSequence();
    assertEquals(4, prefixes.share(later, "", ids(0, 5)));
    assertEquals(12, prefixes.share(later, "", ids(0, 12)));
    later.truncate(10);
    assertThrows(InvalidArgumentException.class, () -> prefixes.share(later, "", ids(0, 12)));
  }

  @Test
  void saltsAreKeptApart() {
    text("a", ids(0, 8)).close();
    assertEquals(0, prefixes.share(cache.newSequence(), "b", ids(0, 8)));
    assertEquals(8, prefixes.share(cache.newSequence(), "a", ids(0, 8)));
    text("b", ids(0, 8)).close();
    prefixes.forget("a");
    assertEquals(0, prefixes.share(cache.newSequence(), "a", ids(0, 8)));
    assertEquals(8, prefixes.share(cache.newSequence(), "b", ids(0, 8)));
  }

  @Test
  void whoWritesBehindWhatIsSharedTakesAPageOfItsOwn() {
    Sequence first = text("", ids(0, 8));
    int shared = page(first, 1);
    first.truncate(6);
    append(first, 1);
    assertFalse(shared == page(first, 1));
    Sequence second = cache.newSequence();
    prefixes.share(second, "", ids(0, 8));
    assertEquals(shared, page(second, 1));
  }

  @Test
  void twoThatComputedTheSameKeepOnePage() {
    Sequence first = cache.newSequence();
    Sequence second = cache.newSequence();
    append(first, 8);
    append(second, 8);
    prefixes.publish(first, "", ids(0, 8));
    assertEquals(PAGES - 4, cache.freePages());
    prefixes.publish(second, "", ids(0, 8));
    assertEquals(PAGES - 2, cache.freePages());
    assertEquals(page(first, 1), page(second, 1));
  }

  @Test
  void theLeastRecentlyUsedPagesAreGivenUpForAStep() {
    text("", ids(0, 8)).close();
    text("", ids(100, 108)).close();
    prefixes.share(cache.newSequence(), "", ids(200, 208));
    Sequence reader = cache.newSequence();
    prefixes.share(reader, "", ids(0, 4)); // page 0 is newer now, page 4..8 the oldest
    Sequence large = cache.newSequence();
    append(large, 5 * PAGE);
    assertEquals(0, cache.freePages());
    assertEquals(1, prefixes.statistics().pagesGivenUp());
    assertEquals(4, prefixes.share(cache.newSequence(), "", ids(0, 8)));
    append(large, 2 * PAGE);
    assertEquals(0, prefixes.share(cache.newSequence(), "", ids(100, 108)));
    Batch batch = Batch.of(large);
    assertThrows(CacheFullException.class, () -> batch.reserve(1));
    assertEquals(4, prefixes.share(cache.newSequence(), "", ids(0, 8)), "nothing was given up");
    reader.close();
  }

  @Test
  void thePagesBeforeOneThatIsReadAreReached() {
    Sequence first = cache.newSequence();
    Sequence second = cache.newSequence();
    append(first, 4);
    append(second, 8);
    prefixes.publish(first, "", ids(0, 4));
    first.close();
    prefixes.publish(second, "", ids(0, 8));
    Sequence copy = second.fork();
    second.truncate(0);
    append(second, 6 * PAGE);
    assertEquals(0, cache.freePages());
    copy.close();
    append(second, 2 * PAGE);
    assertEquals(0, prefixes.statistics().pages());
  }

  @Test
  void theBudgetHolds() {
    prefixes.close();
    try (PrefixCache small = new PrefixCache(cache, 3 * cache.pageBytes())) {
      Sequence long20 = cache.newSequence();
      append(long20, 20);
      small.publish(long20, "", ids(0, 20));
      assertEquals(3, small.statistics().pages());
      assertEquals(12, small.share(cache.newSequence(), "", ids(0, 20)));
      Sequence other = cache.newSequence();
      append(other, 8);
      small.publish(other, "", ids(50, 58));
      assertEquals(3, small.statistics().pages());
      assertEquals(8, small.share(cache.newSequence(), "", ids(50, 58)));
      assertEquals(4, small.share(cache.newSequence(), "", ids(0, 20)));
    }
  }

  @Test
  void aBudgetOfOnePageIsEnough() {
    prefixes.close();
    assertThrows(
        InvalidArgumentException.class, () -> new PrefixCache(cache, cache.pageBytes() - 1));
    try (PrefixCache one = new PrefixCache(cache, cache.pageBytes())) {
      Sequence sequence = cache.newSequence();
      append(sequence, 8);
      one.publish(sequence, "", ids(0, 8));
      assertEquals(1, one.statistics().pages());
    }
  }

  /** What a sequence has before is neither asked for nor shared. */
  @Test
  void statisticsCountWhatASequenceLacks() {
    text("", ids(0, 12)).close();
    Sequence later = cache.newSequence();
    prefixes.share(later, "", ids(0, 4));
    assertEquals(12, prefixes.share(later, "", ids(0, 13)));
    PrefixCache.Statistics statistics = prefixes.statistics();
    assertEquals(12 + 4 + 9, statistics.tokensAsked());
    assertEquals(4 + 8, statistics.tokensShared());
    assertEquals(3 * cache.pageBytes(), statistics.bytesSaved());
  }

  /** A text that is published once more was used, so another one goes first. */
  @Test
  void whatIsPublishedAgainIsKeptLonger() {
    prefixes.close();
    try (PrefixCache small = new PrefixCache(cache, 2 * cache.pageBytes())) {
      for (int first : new int[] {0, 10, 0, 20}) {
        try (Sequence text = cache.newSequence()) {
          append(text, 4);
          small.publish(text, "", ids(first, first + 4));
        }
      }
      assertEquals(4, small.share(cache.newSequence(), "", ids(0, 4)));
      assertEquals(0, small.share(cache.newSequence(), "", ids(10, 14)));
      assertEquals(4, small.share(cache.newSequence(), "", ids(20, 24)));
    }
  }

  @Test
  void closedMeansClosed() {
    Sequence sequence = text("", ids(0, 4));
    PrefixCache.Beginning beginning = prefixes.beginning("", ids(0, 4));
    prefixes.close();
    assertEquals(0, prefixes.statistics().pages());
    assertThrows(ClosedException.class, () -> prefixes.forget(null));
    assertThrows(ClosedException.class, () -> prefixes.share(cache.newSequence(), beginning));
    assertThrows(ClosedException.class, () -> prefixes.publish(sequence, beginning, 4));
    try (PrefixCache next = new PrefixCache(cache, cache.bytes())) {
      assertThrows(InvalidArgumentException.class, () -> next.publish(sequence, beginning, 4));
    }
    cache.close();
    prefixes.close();
    assertThrows(ClosedException.class, () -> prefixes.forget(null));
  }

  @Test
  void thePoolMayBeClosedFirst() {
    LatentCache other = pool().build();
    PrefixCache others = new PrefixCache(other, other.bytes());
    Sequence sequence = other.newSequence();
    append(sequence, 4);
    others.publish(sequence, "", ids(0, 4));
    other.close();
    others.close();
    assertThrows(ClosedException.class, () -> new PrefixCache(other, other.bytes()));
  }

  @Test
  void badUseIsRefused() {
    Sequence sequence = cache.newSequence();
    append(sequence, 4);
    assertThrows(InvalidArgumentException.class, () -> prefixes.publish(sequence, "", ids(0, 5)));
    assertThrows(InvalidArgumentException.class, () -> prefixes.share(sequence, "", ids(0, 3)));
    assertThrows(InvalidStateException.class, () -> new PrefixCache(cache, cache.bytes()));
    try (LatentCache other = pool().build();
        Sequence stranger = other.newSequence()) {
      assertThrows(InvalidArgumentException.class, () -> prefixes.share(stranger, "", ids(0, 4)));
      assertThrows(InvalidArgumentException.class, () -> new PrefixCache(other, 1));
    }
    try (LatentCache hybrid = pool().states(new StateLayout(1, 2), 1).build()) {
      String message =
          assertThrows(InvalidArgumentException.class, () -> new PrefixCache(hybrid, 1 << 20))
              .getMessage();
      assertTrue(message.contains("states of a recurrence"), message);
    }
    try (Step _ = Batch.of(sequence).reserve(1)) {
      assertThrows(InvalidStateException.class, () -> prefixes.share(sequence, "", ids(0, 8)));
      assertThrows(InvalidStateException.class, () -> prefixes.publish(sequence, "", ids(0, 4)));
    }
    prefixes.close();
    assertThrows(ClosedException.class, () -> prefixes.share(sequence, "", ids(0, 8)));
    cache.close();
    prefixes.close();
  }

  @Test
  void threadsShare() throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<?>> all = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Random random = new Random(t);
        all.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < 2000; i++) {
                    try (Sequence sequence = cache.newSequence()) {
                      int[] ids = ids(0, random.nextInt(1, 9));
                      ids[ids.length - 1] += random.nextInt(2);
                      int known = prefixes.share(sequence, "", ids);
                      append(sequence, ids.length - known);
                      prefixes.publish(sequence, "", ids);
                    }
                  }
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    }
    assertEquals(PAGES, cache.freePages() + prefixes.statistics().pages());
    prefixes.forget(null);
    assertEquals(PAGES, cache.freePages());
  }
}
