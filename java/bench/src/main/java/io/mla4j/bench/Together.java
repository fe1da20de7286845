package io.mla4j.bench;

import io.mla4j.cpu.Workers;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/** Every worker does one thing, all at the same time. */
final class Together {
  /** Waking a thread takes far less, even on a busy machine. */
  private static final long PATIENCE_NANOS = 100_000_000;

  private Together() {}

  /**
   * Each tile waits until all of them have been taken, so that no worker takes two.
   *
   * @param task takes the number of its tile
   * @return whether they did meet; else the tasks ran one after the other
   */
  static boolean run(Workers workers, IntConsumer task) {
    int threads = workers.threads();
    AtomicInteger arrived = new AtomicInteger();
    AtomicInteger alone = new AtomicInteger();
    workers.run(
        threads,
        (tile, _) -> {
          arrived.incrementAndGet();
          long start = System.nanoTime();
          while (arrived.get() < threads && alone.get() == 0) {
            if (System.nanoTime() - start > PATIENCE_NANOS) {
              alone.incrementAndGet();
              break;
            }
            Thread.yield();
          }
          task.accept(tile);
        });
    return alone.get() == 0;
  }
}
