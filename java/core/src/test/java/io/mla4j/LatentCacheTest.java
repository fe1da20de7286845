package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.ops.AttentionScore;
import io.mla4j.spi.Backend;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class LatentCacheTest {
  private static final MlaShape SHAPE = new MlaShape(4, 16, 4, 8, 8);
  private static final LatentLayout LAYOUT = LatentLayout.of(SHAPE, CacheType.BF16);

  // Never closed: mutation runs come again in one JVM.
  private static final Device DEVICE = new ScalarBackend().open(new Backend.Options(2, null));

  private static LatentCache cache(int pageSize, int pages) {
    return LatentCache.builder(DEVICE).layout(LAYOUT).pageSize(pageSize).pages(pages).build();
  }

  private static void grow(Sequence sequence, int tokens) {
    try (Step step = Batch.of(sequence).reserve(tokens)) {
      step.commit();
    }
  }

  @Test
  void sizesFollowFromTheLayout() {
    // 16 + 4 numbers: 16 + 16 padded, 64 bytes a row
    LatentCache.Builder builder = LatentCache.builder(DEVICE).layout(LAYOUT).layers(3).pageSize(8);
    try (LatentCache cache = builder.budgetBytes(3 * 8 * 64 * 5 + 100).build()) {
      assertEquals(5, cache.pages());
      assertEquals(3 * 8 * 64, cache.pageBytes());
      assertEquals(3 * 8 * 64 * 5, cache.bytes());
    }
    try (LatentCache cache = builder.tokens(17).build()) {
      assertEquals(3, cache.pages());
    }
  }

  @Test
  void layoutsPadLatentAndKeyAndRow() {
    assertEquals(1152, new LatentLayout(512, 64, CacheType.BF16).rowStrideBytes());
    assertEquals(2304, new LatentLayout(512, 64, CacheType.F32).rowStrideBytes());
    assertEquals(64, new LatentLayout(1, 0, CacheType.BF16).rowStrideBytes());
    assertEquals(32, new LatentLayout(17, 2, CacheType.BF16).ropeOffset());
    assertEquals(128, new LatentLayout(17, 2, CacheType.BF16).rowStrideBytes());
  }

  @Test
  void groupsHaveLayersOfTheirOwnAndCountInTheBytes() {
    LatentLayout further = new LatentLayout(128, 0, CacheType.BF16);
    long page = 8 * (2 * LAYOUT.rowStrideBytes() + 3 * 256);
    LatentCache.Builder builder = builder().layers(2).group(further, 3).pageSize(8);
    try (LatentCache cache = builder.pages(5).build()) {
      assertEquals(page, cache.pageBytes());
      assertEquals(5 * page, cache.bytes());
      assertEquals(2, cache.groups());
      assertEquals(2, cache.layers());
      assertEquals(3, cache.layers(1));
      assertEquals(further, cache.layout(1));
      assertRefused("group is 2,", () -> cache.layout(2));
      assertRefused("group is -1,", () -> cache.layers(-1));
    }
    try (LatentCache cache = builder.budgetBytes(3 * page - 1).build()) {
      assertEquals(2, cache.pages());
    }
    assertRefused("layout ", () -> builder().group(null, 1));
    assertRefused("layers ", () -> builder().group(further, 0));
  }

  @Test
  void builderNamesWhatIsMissingOrOutOfItsRange() {
    assertRefused("device ", () -> LatentCache.builder(null));
    assertRefused("layout ", () -> LatentCache.builder(DEVICE).pages(1).build());
    assertRefused("pages ", () -> builder().build());
    assertRefused("pages ", () -> builder().pages(0).build());
    assertRefused("pages ", () -> builder().pages(Long.MAX_VALUE).build());
    assertRefused("pages ", () -> builder().tokens(Long.MAX_VALUE).build());
    assertRefused("layers ", () -> builder().pages(1).layers(0).build());
    assertRefused("layers ", () -> builder().pages(1).layers(Integer.MAX_VALUE).build());
    assertRefused("pageSize ", () -> builder().pages(1).pageSize(0).build());
    assertRefused("pageSize ", () -> builder().pages(1).pageSize(Integer.MAX_VALUE).build());
    assertRefused("budgetBytes ", () -> builder().budgetBytes(64 * 64 - 1).build());
    assertRefused("budgetBytes is -1,", () -> builder().budgetBytes(-1));
    assertRefused("budgetBytes is 0, but one page takes ", () -> builder().budgetBytes(0).build());
    assertRefused("pages ", () -> builder().budgetBytes(Long.MAX_VALUE).build());
    assertRefused("pages is 0,", () -> builder().tokens(-5).build());
    assertRefused(
        "pages ",
        () ->
            LatentCache.builder(DEVICE)
                .layout(new LatentLayout(4096, 1024, CacheType.F32))
                .layers(1 << 16)
                .pageSize(1 << 20)
                .pages(Integer.MAX_VALUE - 8)
                .build());
    assertRefused("latent ", () -> new LatentLayout(0, 0, CacheType.F32));
    assertRefused("latent ", () -> new LatentLayout(4097, 0, CacheType.F32));
    assertRefused("rope ", () -> new LatentLayout(1, 3, CacheType.F32));
    assertRefused("rope ", () -> new LatentLayout(1, 1026, CacheType.F32));
    assertRefused("type ", () -> new LatentLayout(1, 2, null));
  }

  private static LatentCache.Builder builder() {
    return LatentCache.builder(DEVICE).layout(LAYOUT);
  }

  private static void assertRefused(String start, Runnable action) {
    Exception e = assertThrows(InvalidArgumentException.class, action::run);
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
  }

  @Test
  void memoryThatCannotBeHadIsTyped() {
    Mla4jException e =
        assertThrows(Mla4jException.class, () -> builder().pages(Integer.MAX_VALUE - 8).build());
    assertTrue(e.getMessage().contains(" bytes"), e.getMessage());
  }

  @Test
  void fullPoolChangesNothing() {
    try (LatentCache cache = cache(4, 3);
        Sequence a = cache.newSequence();
        Sequence b = cache.newSequence()) {
      grow(a, 5);
      CacheFullException e =
          assertThrows(CacheFullException.class, () -> Batch.of(a, b).reserve(4, 1));
      assertEquals("the step needs 2 pages, but 1 of 3 are free", e.getMessage());
      assertEquals(1, cache.freePages());
      assertEquals(5, a.length());
      grow(a, 3);
      grow(b, 4);
      assertEquals(0, cache.freePages());
    }
  }

  @Test
  void batchesAreOfDistinctSequencesOfOneCache() {
    try (LatentCache cache = cache(4, 3);
        LatentCache other = cache(4, 3)) {
      Sequence a = cache.newSequence();
      Sequence b = other.newSequence();
      assertRefused("sequences ", () -> Batch.of());
      assertRefused("sequences[1] ", () -> Batch.of(a, a));
      assertRefused("sequences[1] ", () -> Batch.of(a, b));
      assertRefused("sequences[1] ", () -> Batch.of(a, null));
      assertRefused("tokens ", () -> Batch.of(a).reserve(1, 2));
      assertRefused("tokens[0] ", () -> Batch.of(a).reserve(-1));
    }
  }

  @Test
  void sequenceInAnOpenStepRefusesEverythingElse() {
    try (LatentCache cache = cache(4, 3);
        Sequence a = cache.newSequence();
        Step step = Batch.of(a).reserve(2)) {
      assertThrows(InvalidStateException.class, a::fork);
      assertThrows(InvalidStateException.class, () -> a.truncate(0));
      assertThrows(InvalidStateException.class, a::close);
      assertThrows(InvalidStateException.class, () -> Batch.of(a).reserve(1));
      assertEquals(0, a.length());
      step.commit();
      assertEquals(2, a.length());
      assertThrows(InvalidStateException.class, step::commit);
      assertThrows(InvalidStateException.class, () -> step.plan(SHAPE, AttentionForm.AUTO));
    }
  }

  @Test
  void closedSequencesAndPoolsRefuse() {
    LatentCache cache = cache(4, 3);
    Sequence a = cache.newSequence();
    Sequence b = cache.newSequence();
    grow(a, 4);
    grow(b, 4);
    a.close();
    a.close();
    assertEquals(2, cache.freePages());
    assertThrows(ClosedException.class, a::fork);
    assertThrows(ClosedException.class, () -> Batch.of(a, b).reserve(1, 1));
    cache.close();
    cache.close();
    assertThrows(ClosedException.class, cache::newSequence);
    assertThrows(ClosedException.class, b::fork);
    assertThrows(ClosedException.class, () -> Batch.of(b).reserve(1));
    b.close();
  }

  @Test
  void planSaysWhereTheTokensLie() {
    try (LatentCache cache = cache(4, 9);
        Sequence a = cache.newSequence();
        Sequence b = cache.newSequence()) {
      grow(b, 6);
      try (Step step = Batch.of(a, b).reserve(5, 3)) {
        PagedView plan = PagedView.of(step.plan(SHAPE, AttentionForm.DECOMPRESSED));
        assertEquals(8, plan.tokens());
        assertEquals(2, plan.sequences());
        assertEquals(0, plan.firstToken(0));
        assertEquals(5, plan.firstToken(1));
        assertEquals(3, plan.queryTokens(1));
        assertEquals(9, plan.kvTokens(1));
        assertEquals(AttentionForm.DECOMPRESSED, plan.form(0));
        assertTrue(plan.pageTable(1).byteSize() >= 3 * 4);
        assertEquals(4 * 64, plan.cacheParams().pageStrideBytes());
        assertRefused("shape ", () -> step.plan(new MlaShape(4, 16, 6, 8, 8), AttentionForm.AUTO));
        assertRefused("shape ", () -> step.plan(null, AttentionForm.AUTO));
        assertRefused("form ", () -> step.plan(SHAPE, null));
      }
    }
  }

  @Test
  void costModelDecodesAbsorbedAndPrefillsDecompressed() {
    MlaShape v3 = new MlaShape(128, 512, 64, 128, 128);
    AttentionCosts even = AttentionCosts.EVEN;
    assertEquals(AttentionForm.ABSORBED, CostModel.form(v3, 1, 5000, even));
    assertEquals(AttentionForm.ABSORBED, CostModel.form(v3, 8, 5000, even));
    assertEquals(AttentionForm.ABSORBED, CostModel.form(v3, 150, 100_000, even));
    assertEquals(AttentionForm.DECOMPRESSED, CostModel.form(v3, 200, 100_000, even));
    assertEquals(AttentionForm.DECOMPRESSED, CostModel.form(v3, 512, 512, even));
    // a device that rebuilds at half the speed
    AttentionCosts slow = new AttentionCosts(1, 1, 1, 2, 0);
    assertEquals(AttentionForm.ABSORBED, CostModel.form(v3, 200, 100_000, slow));
  }

  @Test
  void splitsKeepSomeThreadsBusyWithOneSequence() {
    for (int heads : new int[] {1, 16, 64, 128}) {
      assertTrue(CostModel.splitLength(heads, 0, 0) > 0);
      int tiles =
          Math.ceilDiv(2048, CostModel.splitLength(heads, 1, 2048)) * Math.ceilDiv(heads, 64);
      assertTrue(tiles >= 4, heads + " heads have " + tiles + " tiles");
      assertTrue(CostModel.splitLength(heads, 1, 100_000) <= 4096);
    }
    assertTrue(CostModel.splitLength(128, 500, 100_000) >= 100_000);
  }

  /** Threads attend in a loop; the pool is closed under them. */
  @Test
  void closingUnderFireNeitherCrashesNorHangs() throws Exception {
    for (int round = 0; round < 15; round++) {
      closeUnderFire(round % 2 == 0);
    }
  }

  private static void closeUnderFire(boolean virtualThreads) throws Exception {
    LatentCache cache = cache(16, 64);
    CountDownLatch running = new CountDownLatch(3);
    AtomicInteger finished = new AtomicInteger();
    List<Throwable> unexpected = new CopyOnWriteArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Sequence sequence = cache.newSequence();
      Attention attention = Attention.absorbed(cache, 4, AttentionScore.of(0.3f), ComputeType.F32);
      attention.append(sequence, TestTensors.floats(TestTensors.random(new Random(i), 1, 300, 20)));
      float[] q = TestTensors.floats(TestTensors.random(new Random(i), 1, 2, 4, 20));
      Runnable loop =
          () -> {
            try {
              while (true) {
                attention.decode(sequence, q);
                running.countDown();
                finished.incrementAndGet();
              }
            } catch (ClosedException e) {
              finished.incrementAndGet();
            } catch (Throwable t) {
              unexpected.add(t);
              running.countDown();
            }
          };
      threads.add(
          virtualThreads ? Thread.startVirtualThread(loop) : Thread.ofPlatform().start(loop));
    }
    running.await();
    Thread second = Thread.ofPlatform().start(cache::close);
    cache.close();
    for (Thread thread : threads) {
      thread.join();
    }
    second.join();
    assertEquals(List.of(), unexpected);
  }

  @Test
  void closeWaitsForTheLease() throws Exception {
    LatentCache cache = cache(4, 2);
    try (Sequence a = cache.newSequence()) {
      Step step = Batch.of(a).reserve(1);
      PagedView plan = PagedView.of(step.plan(SHAPE, AttentionForm.ABSORBED));
      PagedView.Lease lease = plan.acquire();
      Thread closer = Thread.ofPlatform().start(cache::close);
      Thread.sleep(30);
      assertTrue(closer.isAlive());
      assertThrows(ClosedException.class, plan::acquire);
      plan.layerBase(0).fill((byte) 1);
      lease.close();
      closer.join();
      assertThrows(IllegalStateException.class, () -> plan.layerBase(0).fill((byte) 1));
      step.close();
    }
  }

  @Test
  void leaseThatIsClosedTwiceCountsOnce() throws Exception {
    LatentCache cache = cache(4, 2);
    Sequence a = cache.newSequence();
    PagedView plan = PagedView.of(Batch.of(a).reserve(1).plan(SHAPE, AttentionForm.ABSORBED));
    PagedView.Lease one = plan.acquire();
    PagedView.Lease two = plan.acquire();
    one.close();
    one.close();
    Thread closer = Thread.ofPlatform().start(cache::close);
    Thread.sleep(30);
    assertTrue(closer.isAlive());
    two.close();
    closer.join();
  }

  @Test
  void lostPoolsAndSequencesAreReportedWithTheirPlace() throws Exception {
    List<LogRecord> records = new CopyOnWriteArrayList<>();
    Logger logger = Logger.getLogger("io.mla4j.leaks");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            records.add(record);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    try (LatentCache kept = builder().pages(1).reportLeaks(true).build()) {
      loseSome(kept);
      for (int i = 0; i < 100 && records.size() < 2; i++) {
        System.gc();
        Thread.sleep(20);
      }
      List<String> messages =
          records.stream().map(r -> r.getMessage().replaceAll("\\d+", "n")).sorted().toList();
      assertEquals(
          List.of("a latent cache of n bytes was never closed", "a sequence was never closed"),
          messages);
      for (LogRecord record : records) {
        assertTrue(
            List.of(record.getThrown().getStackTrace()).stream()
                .anyMatch(frame -> frame.getMethodName().equals("loseSome")));
      }
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    }
  }

  private static void loseSome(LatentCache kept) {
    builder().pages(1).reportLeaks(true).build();
    kept.newSequence();
    try (Sequence closed = kept.newSequence()) {
      assertEquals(0, closed.length());
    }
    builder().pages(1).reportLeaks(true).build().close();
    builder().pages(1).build();
  }

  @Test
  void failedAllocationFreesItsArena() {
    AtomicReference<Arena> used = new AtomicReference<>();
    Device failing =
        new io.mla4j.cpu.CpuDevice(
            "failing",
            new io.mla4j.cpu.ScalarKernels(),
            (bytes, arena) -> {
              used.set(arena);
              throw new Mla4jException("no memory for " + bytes + " bytes");
            },
            1);
    try (failing) {
      assertNull(used.get());
      assertThrows(
          Mla4jException.class, () -> LatentCache.builder(failing).layout(LAYOUT).pages(1).build());
      assertFalse(used.get().scope().isAlive());
    }
  }

  @Test
  void forksShareUntilTheyWrite() {
    try (LatentCache cache = cache(4, 5);
        Sequence a = cache.newSequence()) {
      grow(a, 6);
      try (Sequence b = a.fork()) {
        assertEquals(3, cache.freePages());
        grow(b, 1);
        assertEquals(2, cache.freePages());
        grow(a, 1);
        assertEquals(2, cache.freePages());
        MemorySegment tableA = a.pageTable();
        MemorySegment tableB = b.pageTable();
        assertNotSame(tableA, tableB);
        assertEquals(Page.id(tableA, 0), Page.id(tableB, 0));
        assertTrue(Page.id(tableA, 1) != Page.id(tableB, 1));
      }
      assertEquals(3, cache.freePages());
    }
  }

  @Test
  void rowsUnderScalesTakeTheirBytesAndPagesHaveAPlaneOfScales() {
    LatentLayout layout = new LatentLayout(512, 64, CacheType.INT8);
    assertEquals(512, layout.ropeOffsetBytes());
    assertEquals(640, layout.rowStrideBytes());
    assertEquals(16, layout.scaleBytes());
    assertEquals(656, layout.tokenBytes());
    assertEquals(64 * 656, layout.pageBytes(64));
    assertEquals(704, layout.pageBytes(1));
    LatentLayout narrow = new LatentLayout(17, 2, CacheType.INT8);
    assertEquals(32, narrow.ropeOffset());
    assertEquals(64, narrow.rowStrideBytes());
    assertEquals(32 + 16, narrow.rowElements());
    assertEquals(4, narrow.scaleBytes());
    assertEquals(2, new LatentLayout(192, 0, CacheType.INT8).scales());
    LatentCache.Builder builder =
        LatentCache.builder(DEVICE).layout(layout).layers(3).budgetBytes(3 * 64 * 656 * 2);
    try (LatentCache cache = builder.build()) {
      assertEquals(2, cache.pages());
      assertEquals(3 * 64 * 656 * 2, cache.bytes());
    }
  }

  @Test
  void forksCopyTheScalesOfTheLastPartialPage() {
    LatentLayout layout = new LatentLayout(130, 4, CacheType.INT8);
    try (LatentCache cache =
            LatentCache.builder(DEVICE).layout(layout).layers(2).pageSize(4).pages(5).build();
        Sequence a = cache.newSequence()) {
      grow(a, 6);
      for (int layer = 0; layer < 2; layer++) {
        cache.group(0).base(layer).fill((byte) (layer + 1));
      }
      try (Sequence b = a.fork()) {
        for (int layer = 0; layer < 2; layer++) {
          MemorySegment base = cache.group(0).base(layer);
          long page = Page.id(a.pageTable(), 1) * layout.pageBytes(4);
          base.asSlice(page, layout.pageBytes(4)).fill((byte) 7);
        }
        int shared = Page.id(a.pageTable(), 1);
        grow(b, 1);
        int copy = Page.id(b.pageTable(), 1);
        assertTrue(copy != shared);
        for (int layer = 0; layer < 2; layer++) {
          MemorySegment base = cache.group(0).base(layer);
          assertEquals(2 * layout.scaleBytes(), same(base, layout, shared, copy, true));
          assertEquals(2 * layout.rowStrideBytes(), same(base, layout, shared, copy, false));
        }
      }
    }
  }

  /** How many bytes of a page are those of another: of its scales, or of its rows. */
  private static long same(
      MemorySegment base, LatentLayout layout, int page, int other, boolean scales) {
    long rows = 4 * layout.rowStrideBytes();
    long from = scales ? rows : 0;
    long bytes = scales ? 4 * layout.scaleBytes() : rows;
    long mismatch =
        base.asSlice(page * layout.pageBytes(4) + from, bytes)
            .mismatch(base.asSlice(other * layout.pageBytes(4) + from, bytes));
    return mismatch < 0 ? bytes : mismatch;
  }

  private static final class Page {
    static int id(MemorySegment table, int i) {
      return table.getAtIndex(java.lang.foreign.ValueLayout.JAVA_INT, i);
    }
  }
}
