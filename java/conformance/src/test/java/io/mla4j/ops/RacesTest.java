package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AbsorbedAttention;
import io.mla4j.Attention;
import io.mla4j.CacheType;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Mla4jException;
import io.mla4j.MlaShape;
import io.mla4j.PrefixCache;
import io.mla4j.Sequence;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.Workers;
import io.mla4j.testkit.Race;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Given threads that use a pool, its sequences, its known prefixes and the threads of a device,
 * when another one closes or forks them at any moment, then each gets what it asked for or a typed
 * error, nothing hangs, and no page is lost.
 */
@Timeout(600)
class RacesTest {
  private static final MlaShape SHAPE = new MlaShape(4, 64, 16, 16, 16);
  private static final int WIDTH = SHAPE.cached();
  private static final int PAGE = 8;
  private static final int PAGES = 64;
  private static final Device DEVICE =
      new CpuDevice("test", AllKernels.all().getLast(), CpuDevice.ARENA_ALLOCATOR, 2);

  @AfterAll
  static void close() {
    DEVICE.close();
  }

  private static LatentCache cache() {
    return LatentCache.builder(DEVICE)
        .layout(LatentLayout.of(SHAPE, CacheType.BF16))
        .pageSize(PAGE)
        .pages(PAGES)
        .build();
  }

  private static AbsorbedAttention attention(LatentCache cache) {
    return Attention.absorbed(cache, SHAPE.heads(), AttentionScore.of(0.2f), ComputeType.F32);
  }

  private static float[] numbers(SplittableRandom random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    return values;
  }

  /** Runs it until it says that what it uses is closed. */
  private static void untilClosed(Race.Action action) throws Exception {
    try {
      while (true) {
        action.run();
      }
    } catch (ClosedException e) {
      assertTrue(e.getMessage().contains("closed"), e.getMessage());
    }
  }

  @Test
  void closingThePoolWhileItIsReadAndWritten() {
    Race.run(
        (_, random) -> {
          LatentCache cache = cache();
          AbsorbedAttention reading = attention(cache);
          AbsorbedAttention writing = attention(cache);
          Sequence read = cache.newSequence();
          Sequence written = cache.newSequence();
          reading.append(read, numbers(random, 40 * WIDTH));
          float[] q = numbers(random, SHAPE.heads() * WIDTH);
          float[] row = numbers(random, WIDTH);
          float[] expected = reading.decode(read, q);
          Race.together(
              random,
              300_000,
              () -> untilClosed(() -> assertArrayEquals(expected, reading.decode(read, q))),
              () ->
                  untilClosed(
                      () -> {
                        writing.append(written, row);
                        if (written.length() > 100) {
                          written.truncate(0);
                        }
                      }),
              cache::close,
              cache::close);
        });
  }

  /** A sequence belongs to one thread at a time: the other one is told so, or has a whole fork. */
  @Test
  void forkingWhileAppending() {
    Race.run(
        (_, random) -> {
          try (LatentCache cache = cache()) {
            AbsorbedAttention ofTrunk = attention(cache);
            AbsorbedAttention ofForks = attention(cache);
            Sequence trunk = cache.newSequence();
            ofTrunk.append(trunk, numbers(random, 13 * WIDTH));
            float[] q = numbers(random, SHAPE.heads() * WIDTH);
            float[] row = numbers(random, WIDTH);
            Race.together(
                random,
                50_000,
                () -> {
                  for (int i = 0; i < 30; i++) {
                    ifFree(() -> ofTrunk.append(trunk, row));
                  }
                },
                () -> {
                  for (int i = 0; i < 10; i++) {
                    ifFree(
                        () -> {
                          try (Sequence fork = trunk.fork()) {
                            int length = fork.length();
                            ofForks.append(fork, row);
                            assertEquals(length + 1, fork.length());
                            for (float x : ofForks.decode(fork, q)) {
                              assertTrue(Float.isFinite(x));
                            }
                          }
                        });
                  }
                });
            trunk.close();
            assertEquals(PAGES, cache.freePages(), "pages");
          }
        });
  }

  private static void ifFree(Race.Action action) throws Exception {
    try {
      action.run();
    } catch (Mla4jException e) {
      // a sequence within a step has no fork
      assertTrue(e.getMessage().contains("step"), e.getMessage());
    }
  }

  @Test
  void sharingPublishingForgettingAndClosingOfPrefixes() {
    Race.run(
        (_, random) -> {
          try (LatentCache cache = cache()) {
            PrefixCache prefixes = new PrefixCache(cache, 20 * cache.pageBytes());
            float[] rows = numbers(random, 40 * WIDTH);
            Race.Action use =
                () -> {
                  AbsorbedAttention attention = attention(cache);
                  for (int i = 0; i < 12; i++) {
                    int[] ids = IntStream.range(i % 3, 34 + i % 5).toArray();
                    try (Sequence sequence = cache.newSequence()) {
                      int known = prefixes.share(sequence, "", ids);
                      int rest = ids.length - known;
                      if (rest > 0) {
                        attention.append(sequence, Arrays.copyOf(rows, rest * WIDTH));
                      }
                      prefixes.publish(sequence, "", ids);
                    } catch (ClosedException e) {
                      return;
                    }
                  }
                };
            Race.together(
                random,
                400_000,
                use,
                use,
                () -> {
                  try {
                    prefixes.forget("");
                  } catch (ClosedException e) {
                    assertTrue(e.getMessage().contains("closed"), e.getMessage());
                  }
                },
                () -> {
                  Thread.sleep(0, random.nextInt(900_000));
                  prefixes.close();
                });
            assertEquals(PAGES, cache.freePages(), "pages");
          }
        });
  }

  @Test
  void closingWorkersWhileTheyRun() {
    Race.run(
        (number, random) -> {
          Workers workers = new Workers(2 + number % 3);
          Race.Action use =
              () ->
                  untilClosed(
                      () -> {
                        AtomicIntegerArray runs = new AtomicIntegerArray(7);
                        workers.run(7, (tile, _) -> runs.incrementAndGet(tile));
                        for (int i = 0; i < 7; i++) {
                          assertEquals(1, runs.get(i), "tile " + i);
                        }
                      });
          Race.Action virtual =
              () -> {
                Throwable[] thrown = new Throwable[1];
                Thread.ofVirtual()
                    .start(
                        () -> {
                          try {
                            use.run();
                          } catch (Throwable t) {
                            thrown[0] = t;
                          }
                        })
                    .join();
                assertNull(thrown[0]);
              };
          Race.together(random, 300_000, use, use, virtual, workers::close, workers::close);
        });
  }
}
