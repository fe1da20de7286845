package io.mla4j.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.mla4j.ClosedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkersTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 9})
  void everyTileOfManyShortOperationsRunsOnce(int threads) {
    try (Workers workers = new Workers(threads, threads)) {
      for (int i = 0; i < 3000; i++) {
        int count = i % 8;
        AtomicIntegerArray runs = new AtomicIntegerArray(8);
        workers.run(
            count,
            (tile, worker) -> {
              assertTrue(worker >= 0 && worker < threads);
              runs.incrementAndGet(tile);
            });
        for (int tile = 0; tile < 8; tile++) {
          assertEquals(tile < count ? 1 : 0, runs.get(tile), "operation " + i + " tile " + tile);
        }
      }
    }
  }

  @Test
  void workerThatIsLateNeverTakesTileOfTheNextOperationEarly() {
    try (Workers workers = new Workers(3, 3)) {
      AtomicInteger runs = new AtomicInteger();
      for (int i = 0; i < 100_000; i++) {
        int count = i % 2 == 0 ? 2 : 8;
        runs.set(0);
        workers.run(count, (_, _) -> runs.incrementAndGet());
        assertEquals(count, runs.get(), "operation " + i);
      }
    }
  }

  @Test
  void threadsBeyondTheProcessorsAreNotStarted() {
    try (Workers workers = new Workers(7, 2)) {
      assertEquals(7, workers.threads());
      AtomicIntegerArray tilesOf = new AtomicIntegerArray(7);
      for (int i = 0; i < 200; i++) {
        workers.run(50, (_, worker) -> tilesOf.incrementAndGet(worker));
      }
      assertEquals(200 * 50, tilesOf.get(0) + tilesOf.get(1));
    }
  }

  @Test
  void parkedWorkersAllWakeForLongTiles() {
    try (Workers workers = new Workers(6, 6)) {
      for (int i = 0; i < 5; i++) {
        LockSupport.parkNanos(3_000_000); // longer than they spin
        CountDownLatch all = new CountDownLatch(6);
        workers.run(
            6,
            (_, _) -> {
              all.countDown();
              try {
                assertTrue(all.await(20, TimeUnit.SECONDS), "only some workers woke");
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            });
      }
    }
  }

  @Test
  void noTwoTilesRunAsTheSameWorkerAtOnce() {
    try (Workers workers = new Workers(4, 4)) {
      AtomicIntegerArray busy = new AtomicIntegerArray(4);
      workers.run(
          2000,
          (_, worker) -> {
            assertEquals(1, busy.incrementAndGet(worker));
            Thread.onSpinWait();
            busy.decrementAndGet(worker);
          });
    }
  }

  @Test
  void callersTakeTurns() throws Exception {
    try (Workers workers = new Workers(3, 3);
        ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      AtomicInteger inside = new AtomicInteger();
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 60; i++) {
        Runnable operation =
            new Runnable() {
              @Override
              public void run() {
                if (!workers.enter()) {
                  workers.handOver(this);
                  return;
                }
                try {
                  assertEquals(1, inside.incrementAndGet());
                  int[] sums = new int[5];
                  workers.run(5, (tile, _) -> sums[tile] = tile);
                  workers.run(5, (tile, _) -> sums[tile] += 10);
                  assertArrayEquals(new int[] {10, 11, 12, 13, 14}, sums);
                  inside.decrementAndGet();
                } finally {
                  workers.leave();
                }
              }
            };
        all.add(callers.submit(operation));
      }
      for (Future<?> one : all) {
        one.get(30, TimeUnit.SECONDS);
      }
    }
  }

  @Test
  void virtualThreadsNeverComputeThemselves() throws Exception {
    try (Workers workers = new Workers(2, 2)) {
      AtomicBoolean virtual = new AtomicBoolean();
      Thread caller =
          Thread.startVirtualThread(
              () ->
                  workers.run(
                      50,
                      (_, _) -> {
                        if (Thread.currentThread().isVirtual()) {
                          virtual.set(true);
                        }
                      }));
      caller.join();
      assertFalse(virtual.get());
    }
  }

  @Test
  void interruptedVirtualThreadWaitsForItsOperation() throws Exception {
    try (Workers workers = new Workers(2, 2)) {
      CountDownLatch started = new CountDownLatch(1);
      CountDownLatch release = new CountDownLatch(1);
      AtomicBoolean done = new AtomicBoolean();
      AtomicBoolean sawAllDone = new AtomicBoolean();
      AtomicBoolean stillInterrupted = new AtomicBoolean();
      Thread caller =
          Thread.startVirtualThread(
              () -> {
                workers.run(
                    1,
                    (_, _) -> {
                      started.countDown();
                      await(release);
                      done.set(true);
                    });
                sawAllDone.set(done.get());
                stillInterrupted.set(Thread.currentThread().isInterrupted());
              });
      started.await();
      caller.interrupt();
      Thread.sleep(20);
      release.countDown();
      caller.join();
      assertTrue(sawAllDone.get());
      assertTrue(stillInterrupted.get());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void failureOfTileReachesTheCallerAndTheNextOperationWorks(int threads) {
    try (Workers workers = new Workers(threads, threads)) {
      IllegalStateException failure = new IllegalStateException("tile 7");
      for (int i = 0; i < 100; i++) {
        Throwable thrown =
            assertThrows(
                IllegalStateException.class,
                () ->
                    workers.run(
                        20,
                        (tile, _) -> {
                          if (tile == 7) {
                            throw failure;
                          }
                        }));
        assertSame(failure, thrown);
        AtomicInteger count = new AtomicInteger();
        workers.run(20, (_, _) -> count.incrementAndGet());
        assertEquals(20, count.get());
      }
    }
  }

  @Test
  void errorOfTileReachesTheCaller() {
    try (Workers workers = new Workers(2, 2)) {
      assertThrows(
          StackOverflowError.class,
          () ->
              workers.run(
                  4,
                  (_, _) -> {
                    throw new StackOverflowError();
                  }));
    }
  }

  @Test
  void parkedWorkersWakeUp() throws Exception {
    try (Workers workers = new Workers(3, 3)) {
      for (int i = 0; i < 20; i++) {
        Thread.sleep(2); // longer than workers spin
        AtomicInteger count = new AtomicInteger();
        workers.run(30, (_, _) -> count.incrementAndGet());
        assertEquals(30, count.get());
      }
    }
  }

  @Test
  void idleWorkersMayRunOnAllProcessorsThatTheyHadBefore() throws Exception {
    Affinity affinity = Affinity.ofSystem().orElse(null);
    assumeTrue(affinity != null, "the system has no such functions");
    BitSet all = affinity.processors(affinity.thread());
    try (Workers workers = new Workers(3, 3)) {
      Set<Integer> threads = ConcurrentHashMap.newKeySet();
      AtomicInteger restricted = new AtomicInteger();
      for (int i = 0; i < 1000; i++) {
        if (i > 900) {
          LockSupport.parkNanos(1_000_000); // longer than they spin
        }
        CountDownLatch met = new CountDownLatch(3);
        workers.run(
            3,
            (_, _) -> {
              met.countDown();
              await(met);
              threads.add(affinity.thread());
              if (!affinity.processors(affinity.thread()).equals(all)) {
                restricted.incrementAndGet();
              }
            });
      }
      assertEquals(3, threads.size());
      assertTrue(restricted.get() > 0 || all.cardinality() == 1, "nobody was kept off");
      for (int thread : threads) {
        while (!affinity.processors(thread).equals(all)) {
          Thread.sleep(1);
        }
      }
    }
  }

  @Test
  void threadThatIsWokenStaysOffTheProcessorOfItsWakerUntilItIsAwake() throws Exception {
    Affinity affinity = Affinity.ofSystem().orElse(null);
    assumeTrue(affinity != null, "the system has no such functions");
    BitSet all = affinity.processors(affinity.thread());
    assumeTrue(all.cardinality() > 1, "one processor");
    CompletableFuture<WakePlacement> placement = new CompletableFuture<>();
    CountDownLatch awake = new CountDownLatch(1);
    AtomicInteger number = new AtomicInteger();
    Thread parked =
        Thread.ofPlatform()
            .start(
                () -> {
                  number.set(affinity.thread());
                  placement.complete(WakePlacement.ofThisThread().orElseThrow());
                  await(awake);
                  placement.join().release();
                  LockSupport.park();
                });
    WakePlacement others = placement.get();
    others.keepOffThisProcessor();
    BitSet kept = affinity.processors(number.get());
    assertEquals(all.cardinality() - 1, kept.cardinality());
    others.keepOffThisProcessor();
    assertEquals(kept, affinity.processors(number.get()), "only once until it is awake");
    awake.countDown();
    while (!affinity.processors(number.get()).equals(all)) {
      Thread.sleep(1);
    }
    LockSupport.unpark(parked);
    parked.join();
    while (!affinity.processors(number.get()).isEmpty()) {
      Thread.sleep(1); // for the system it ends a little later
    }
    assertFalse(affinity.setProcessors(number.get(), all));
  }

  @Test
  void threadRunsWhereItIsToldTo() throws Exception {
    Affinity affinity = Affinity.ofSystem().orElse(null);
    assumeTrue(affinity != null, "the system has no such functions");
    FutureTask<Void> moves =
        new FutureTask<>(
            () -> {
              int thread = affinity.thread();
              BitSet all = affinity.processors(thread);
              for (int processor : all.stream().toArray()) {
                BitSet one = new BitSet();
                one.set(processor);
                assertTrue(affinity.setProcessors(thread, one));
                assertEquals(one, affinity.processors(thread));
                assertEquals(processor, affinity.processor());
              }
              int last = 8 * Affinity.MASK_BYTES - 1;
              all.set(last); // the system takes those of them that it has
              assertTrue(affinity.setProcessors(thread, all));
              all.set(last + 1);
              assertFalse(affinity.setProcessors(thread, all));
              return null;
            });
    Thread.ofPlatform().start(moves);
    moves.get();
  }

  @Test
  void closeWaitsForTheOperationAndRefusesTheNext() throws Exception {
    Workers workers = new Workers(2, 2);
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    AtomicInteger finished = new AtomicInteger();
    Thread caller =
        Thread.ofPlatform()
            .start(
                () ->
                    workers.run(
                        4,
                        (_, _) -> {
                          started.countDown();
                          await(release);
                          finished.incrementAndGet();
                        }));
    started.await();
    Thread closer = Thread.ofPlatform().start(workers::close);
    Thread.sleep(20);
    assertTrue(closer.isAlive());
    release.countDown();
    closer.join();
    caller.join();
    assertEquals(4, finished.get());
    workers.close();
    assertThrows(ClosedException.class, () -> workers.run(1, (_, _) -> {}));
    AtomicBoolean refused = new AtomicBoolean();
    Thread.startVirtualThread(() -> refused.set(throwsClosed(() -> workers.run(1, (_, _) -> {}))))
        .join();
    assertTrue(refused.get());
  }

  @Test
  void everyCallerIsRefusedAfterClose() throws Exception {
    Workers workers = new Workers(2, 2);
    workers.close();
    for (int i = 0; i < 2; i++) {
      AtomicBoolean refused = new AtomicBoolean();
      Thread.ofPlatform()
          .start(() -> refused.set(throwsClosed(() -> workers.run(1, (_, _) -> {}))))
          .join();
      assertTrue(refused.get());
    }
    workers.close();
  }

  @Test
  void closeEndsAllThreadsEvenThoseThatSleep() throws Exception {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    try (Workers workers = new Workers(3, 3)) {
      CountDownLatch met = new CountDownLatch(3);
      Thread.startVirtualThread(
              () ->
                  workers.run(
                      3,
                      (_, _) -> {
                        threads.add(Thread.currentThread());
                        met.countDown();
                        await(met);
                      }))
          .join();
      assertEquals(3, threads.size());
      for (Thread thread : threads) {
        while (thread.getState() != Thread.State.WAITING) {
          Thread.sleep(1);
        }
      }
    }
    for (Thread thread : threads) {
      thread.join();
    }
  }

  @Test
  void physicalCoresAreNoMoreThanProcessors() {
    int cores = Processors.physicalCores();
    assertTrue(cores >= 1 && cores <= Runtime.getRuntime().availableProcessors());
  }

  @Test
  void physicalCoresAreThoseOfAllProcessorsThatThreadsMayRunOn() throws Exception {
    Affinity affinity = Affinity.ofSystem().orElse(null);
    assumeTrue(affinity != null, "the system has no such functions");
    Set<String> cores = new HashSet<>();
    for (int processor : affinity.processors(affinity.thread()).stream().toArray()) {
      Path topology = Path.of("/sys/devices/system/cpu/cpu" + processor + "/topology");
      assumeTrue(Files.isDirectory(topology), "the system does not tell");
      cores.add(Files.readString(topology.resolve("thread_siblings_list")));
    }
    int processors = Runtime.getRuntime().availableProcessors();
    assertEquals(Math.min(cores.size(), processors), Processors.physicalCores());
  }

  private static boolean throwsClosed(Runnable action) {
    try {
      action.run();
      return false;
    } catch (ClosedException e) {
      return true;
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
