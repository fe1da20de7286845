package io.mla4j.bench.jmh;

import io.mla4j.cpu.Workers;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * How long an operation without work takes: handing out a tile to every thread and waiting for the
 * last. The sampled times show the median and the tail.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class DispatchBenchmark {
  private static final long PARKED_NANOS = 20_000_000;

  /** Threads that share an operation. */
  @Param({"1", "2"})
  public int threads;

  private Workers workers;

  /** Starts the threads. */
  @Setup
  public void start() {
    workers = new Workers(threads);
  }

  /** Stops them. */
  @TearDown
  public void stop() {
    workers.close();
  }

  /** One right after the other: the helpers still spin. */
  @Benchmark
  public void spinning() {
    workers.run(threads, (_, _) -> {});
  }

  /** After a pause in which the helpers have parked; the pause is part of the time. */
  @Benchmark
  public void parkedForTwentyMilliseconds() {
    LockSupport.parkNanos(PARKED_NANOS);
    workers.run(threads, (_, _) -> {});
  }
}
