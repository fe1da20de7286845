package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.SequenceRows.Kind;
import io.mla4j.SequenceRows.Part;
import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The bytes of a sequence in the order of its tokens. */
@Timeout(60)
class SequenceRowsTest {
  private static final Part ROWS = new Part(Kind.ROWS, 0, 0);

  private final Device device = new ScalarBackend().open(new Backend.Options(1, null));
  private final LatentCache cache = pool().build();

  private LatentCache.Builder pool() {
    return LatentCache.builder(device)
        .layout(new LatentLayout(130, 2, CacheType.INT8))
        .pageSize(4)
        .pages(3);
  }

  @AfterEach
  void close() {
    cache.close();
    device.close();
  }

  private Sequence sequence(int tokens) {
    Sequence sequence = cache.newSequence();
    try (Step step = Batch.of(sequence).reserve(tokens)) {
      step.commit();
    }
    return sequence;
  }

  @Test
  void blocksAreThoseOfTheTokens() throws IOException {
    SequenceRows rows = SequenceRows.of(sequence(9));
    LatentLayout layout = cache.layout();
    List<Long> blocks = new ArrayList<>();
    rows.read(ROWS, bytes -> blocks.add(bytes.byteSize() / layout.rowStrideBytes()));
    assertEquals(List.of(4L, 4L, 1L), blocks);
    blocks.clear();
    rows.read(new Part(Kind.SCALES, 0, 0), bytes -> blocks.add(bytes.byteSize()));
    assertEquals(List.of(32L, 32L, 8L), blocks, "two scales a token");
    assertThrows(
        InvalidArgumentException.class, () -> rows.read(new Part(Kind.ROWS, 1, 0), _ -> {}));
  }

  @Test
  void whatFailsChangesNothing() {
    IOException lost = new IOException("lost");
    assertThrows(
        IOException.class,
        () ->
            SequenceRows.load(
                cache,
                5,
                _ -> {
                  throw lost;
                }));
    assertThrows(CacheFullException.class, () -> SequenceRows.load(cache, 13, _ -> {}));
    assertEquals(3, cache.freePages());
    try (LatentCache hybrid = pool().states(new StateLayout(1, 2), 1).build()) {
      long states = hybrid.stateBytes();
      for (int i = 0; i < 2; i++) {
        assertThrows(CacheFullException.class, () -> SequenceRows.load(hybrid, 13, _ -> {}));
      }
      assertEquals(states, hybrid.stateBytes(), "those of a sequence that failed");
    }
    Sequence closed = sequence(1);
    closed.close();
    assertThrows(ClosedException.class, () -> SequenceRows.of(closed));
  }

  @Test
  void aStateIsAPartToo() throws IOException {
    Part state = new Part(Kind.STATE, 0, 1);
    try (LatentCache hybrid = pool().states(new StateLayout(1, 2), 2).sequences(2).build();
        Sequence loaded =
            SequenceRows.load(
                hybrid,
                3,
                rows -> {
                  rows.write(new Part(Kind.STATE, 0, 0), bytes -> bytes.fill((byte) 1));
                  rows.write(state, bytes -> bytes.fill((byte) 2));
                });
        Sequence copy = loaded.fork();
        Sequence empty = hybrid.newSequence()) {
      assertEquals(2, firstByte(copy, state));
      assertEquals(0, firstByte(empty, state), "no token, no state");
      assertThrows(
          InvalidArgumentException.class, () -> firstByte(loaded, new Part(Kind.STATE, 0, 2)));
      assertThrows(InvalidStateException.class, () -> copy.truncate(2));
      copy.truncate(0);
      assertEquals(0, firstByte(copy, state));
    }
    assertThrows(InvalidArgumentException.class, () -> firstByte(sequence(1), state));
  }

  private static int firstByte(Sequence sequence, Part part) throws IOException {
    int[] first = new int[1];
    SequenceRows.of(sequence).read(part, b -> first[0] = b.get(ValueLayout.JAVA_BYTE, 0));
    return first[0];
  }

  @Test
  void closingWaitsForWhoeverReads() throws Exception {
    SequenceRows rows = SequenceRows.of(sequence(1));
    CountDownLatch reading = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    Thread reader =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    rows.read(
                        ROWS,
                        bytes -> {
                          reading.countDown();
                          await(goOn);
                          bytes.fill((byte) 1);
                        });
                  } catch (IOException e) {
                    throw new IllegalStateException(e);
                  }
                });
    reading.await();
    Thread closer = Thread.ofPlatform().start(cache::close);
    assertFalse(closer.join(java.time.Duration.ofMillis(50)));
    goOn.countDown();
    closer.join();
    reader.join();
    assertTrue(assertThrows(ClosedException.class, () -> rows.read(ROWS, _ -> {})) != null);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
