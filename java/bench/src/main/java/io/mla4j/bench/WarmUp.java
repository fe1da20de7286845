package io.mla4j.bench;

import java.util.Arrays;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/**
 * Runs something until its times settle: until a round of runs is no longer faster than the round
 * before, and the compilers of the JVM have nothing left to do. Runs may be as slow as the
 * interpreter for a long time where compilers have to share the processors with others, so neither
 * the clock nor the times alone tell.
 */
final class WarmUp {
  /** Rounds in the least time. */
  private static final int ROUNDS = 4;

  /** A round's median that lies by a larger part below the one before has not settled. */
  private static final double MOST_FALL = 0.03;

  private final LongSupplier clock;
  private final BooleanSupplier compiles;

  /**
   * @param clock nanoseconds
   * @param compiles whether the JVM compiles at this moment
   */
  WarmUp(LongSupplier clock, BooleanSupplier compiles) {
    this.clock = clock;
    this.compiles = compiles;
  }

  /**
   * Runs {@code operation} for at least {@code least} nanoseconds and twice, but begins no round
   * after {@code most} nanoseconds.
   *
   * @return whether the times settled
   */
  boolean run(Runnable operation, long least, long most, BooleanSupplier stopped) {
    long start = clock.getAsLong();
    double before = Double.POSITIVE_INFINITY;
    while (true) {
      double median = round(operation, least / ROUNDS, stopped);
      long spent = clock.getAsLong() - start;
      boolean falls = median < (1 - MOST_FALL) * before;
      if (spent >= least && !falls && !compiles.getAsBoolean()) {
        return true;
      }
      if (spent >= most || stopped.getAsBoolean()) {
        return false;
      }
      before = median;
    }
  }

  /** The median of the runs of a round: one, or as many as take so long. */
  private double round(Runnable operation, long nanos, BooleanSupplier stopped) {
    double[] times = new double[16];
    int count = 0;
    long begin = clock.getAsLong();
    long last = begin;
    do {
      operation.run();
      long now = clock.getAsLong();
      if (count == times.length) {
        times = Arrays.copyOf(times, 2 * count);
      }
      times[count++] = now - last;
      last = clock.getAsLong();
    } while (last - begin < nanos && !stopped.getAsBoolean());
    return Statistics.median(Arrays.copyOf(times, count));
  }
}
