package io.mla4j.bench.jmh;

import io.mla4j.cpu.Workers;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * How long until the last thread is at work: an operation of one tile for each thread, in which
 * each waits until all of them have begun. The sampled times show the median and the tail.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class DispatchBenchmark {
  /** Threads. */
  @State(Scope.Thread)
  public static class Team {
    private static final long PATIENCE_NANOS = 1_000_000_000;

    /** How many share an operation. */
    @Param({"1", "2"})
    public int threads;

    private Workers workers;

    /** Starts them. */
    @Setup
    public void start() {
      workers = new Workers(threads);
    }

    /** Stops them. */
    @TearDown
    public void stop() {
      workers.close();
    }

    void meet() {
      AtomicInteger arrived = new AtomicInteger();
      long start = System.nanoTime();
      workers.run(
          threads,
          (_, _) -> {
            arrived.incrementAndGet();
            while (arrived.get() < threads && System.nanoTime() - start < PATIENCE_NANOS) {
              Thread.onSpinWait();
            }
          });
    }
  }

  /** The same after a pause in which the helpers have parked. */
  @State(Scope.Thread)
  public static class ParkedTeam extends Team {
    private static final long PAUSE_NANOS = 20_000_000;

    /** Not part of the time. */
    @Setup(Level.Invocation)
    public void pause() {
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }

  /** One operation right after the other. */
  @Benchmark
  public void spinning(Team team) {
    team.meet();
  }

  /** From parked. */
  @Benchmark
  public void parked(ParkedTeam team) {
    team.meet();
  }
}
