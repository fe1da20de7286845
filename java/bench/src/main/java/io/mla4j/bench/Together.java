package io.mla4j.bench;

import io.mla4j.cpu.Workers;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/** Every worker does one thing, all at the same time. */
final class Together {
  private Together() {}

  /** Each tile waits until all of them have been taken, so no worker takes two. */
  static void run(Workers workers, IntConsumer task) {
    int threads = workers.threads();
    AtomicInteger arrived = new AtomicInteger();
    workers.run(
        threads,
        (_, worker) -> {
          arrived.incrementAndGet();
          while (arrived.get() < threads) {
            Thread.yield();
          }
          task.accept(worker);
        });
  }
}
