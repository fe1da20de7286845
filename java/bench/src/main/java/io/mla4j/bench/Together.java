package io.mla4j.bench;

import io.mla4j.cpu.Workers;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/** Every worker that can run does one thing, all at the same time. */
final class Together {
  private Together() {}

  /**
   * Each tile waits until all of them have been taken, so that no worker takes two.
   *
   * @param task takes the number of its tile, below {@link Workers#parallelism}
   */
  static void run(Workers workers, IntConsumer task) {
    int threads = workers.parallelism();
    AtomicInteger arrived = new AtomicInteger();
    workers.run(
        threads,
        (tile, _) -> {
          arrived.incrementAndGet();
          while (arrived.get() < threads) {
            Thread.yield();
          }
          task.accept(tile);
        });
  }
}
