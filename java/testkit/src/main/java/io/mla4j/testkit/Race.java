package io.mla4j.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Actions that begin together, each after a random wait, again and again: over many rounds one
 * meets the other at every point of its way. {@code -Dmla4j.races=1000} asks for so many rounds,
 * {@code -Dmla4j.races.seed} for the same waits again.
 */
public final class Race {
  /** Rounds of each race. */
  public static final int ROUNDS = Integer.getInteger("mla4j.races", 30);

  private static final long SEED = Long.getLong("mla4j.races.seed", System.nanoTime());
  private static final long LIMIT_MILLIS = 300_000;

  private Race() {}

  /** What a thread does; whatever it throws fails the race. */
  @FunctionalInterface
  public interface Action {
    /** Does it. */
    void run() throws Exception;
  }

  /** One round, with actions on objects of its own. */
  @FunctionalInterface
  public interface Round {
    /**
     * Runs round {@code number}: makes the objects, calls {@link #together} and looks at what is
     * left.
     */
    void run(int number, SplittableRandom random) throws Exception;
  }

  /** Runs {@link #ROUNDS} rounds; the error of one that fails names its number and the seed. */
  public static void run(Round round) {
    for (int i = 0; i < ROUNDS; i++) {
      try {
        round.run(i, new SplittableRandom(SEED + i));
      } catch (Exception | AssertionError e) {
        throw new AssertionError("round " + i + ", -Dmla4j.races.seed=" + SEED + ": " + e, e);
      }
    }
  }

  /**
   * Runs all actions at once, each in a thread of its own after a wait of up to {@code maxNanos},
   * and returns when all have ended.
   *
   * @throws AssertionError where one throws, or does not end within five minutes
   */
  public static void together(SplittableRandom random, long maxNanos, Action... actions)
      throws InterruptedException {
    CyclicBarrier begin = new CyclicBarrier(actions.length);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    List<Thread> threads = new ArrayList<>();
    for (Action action : actions) {
      long wait = random.nextInt(4) == 0 ? 0 : random.nextLong(maxNanos);
      threads.add(
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    try {
                      begin.await();
                      long until = System.nanoTime() + wait;
                      while (System.nanoTime() < until) {
                        Thread.onSpinWait();
                      }
                      action.run();
                    } catch (Throwable t) {
                      failure.compareAndSet(null, t);
                    }
                  }));
    }
    long end = System.currentTimeMillis() + LIMIT_MILLIS;
    for (Thread thread : threads) {
      thread.join(Math.max(1, end - System.currentTimeMillis()));
      if (thread.isAlive()) {
        AssertionError hangs = new AssertionError("an action does not end");
        hangs.setStackTrace(thread.getStackTrace());
        throw hangs;
      }
    }
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
  }
}
