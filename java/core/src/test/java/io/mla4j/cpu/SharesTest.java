package io.mla4j.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Every tile is taken once, and a worker alone takes its own in their order first. */
class SharesTest {
  @Test
  void workersTakeNeighboursAndThenHelp() {
    Shares shares = new Shares(2);
    shares.cut(7, 4);
    for (int run = 0; run < 2; run++) {
      shares.begin();
      assertArrayEquals(
          new int[] {2, 3, 5, 6, 0, 1, 4},
          IntStream.range(0, 7).map(i -> shares.next(1)).toArray());
    }
  }

  @Test
  void threadsTakeEveryTileOnce() throws InterruptedException {
    int tiles = 1003;
    Shares shares = new Shares(3);
    shares.cut(tiles, 900);
    shares.begin();
    BitSet seen = new BitSet();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      int worker = i;
      int calls = worker == 0 ? tiles - 600 : 300;
      threads.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    for (int call = 0; call < calls; call++) {
                      int tile = shares.next(worker);
                      synchronized (seen) {
                        seen.set(tile);
                      }
                    }
                  }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(tiles, seen.cardinality());
  }
}
