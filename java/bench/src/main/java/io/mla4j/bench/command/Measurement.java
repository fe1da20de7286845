package io.mla4j.bench.command;

import io.mla4j.Mla4jException;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.Progress;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A measurement: runs, tells how far it is, and hands out what it found, even when it is cut off.
 */
abstract class Measurement extends StreamCommand {
  private static final String CLEAR_LINE = "\r\033[K";

  /** How long Ctrl-C waits for a sample that has begun; without it, the rest is printed. */
  private static final int LONGEST_SAMPLE_SECONDS = 5;

  /** How often in a second. */
  private static final int TURNS = 10;

  /** Pictures take seconds. */
  private static final int LONGEST_WRITE_SECONDS = 60;

  final MeasurementOptions options = new MeasurementOptions();
  private final AtomicBoolean written = new AtomicBoolean();
  private volatile boolean stopped;

  @Override
  public void declare(Args args) {
    options.declare(args);
  }

  /** Measures. */
  abstract Report measure(Benchmark benchmark);

  /** The memory whose context is told. */
  CacheTable.Budget budget() {
    return CacheTable.Budget.USUAL;
  }

  @Override
  public final void execute() throws IOException {
    Outputs outputs = options.outputs(budget());
    outputs.check();
    Benchmark benchmark = new Benchmark(options.settings(), progress(), () -> stopped, this::note);
    // Ctrl-C ends the JVM as soon as its hooks return: this one waits until the results are out.
    CountDownLatch done = new CountDownLatch(1);
    Thread hook = new Thread(() -> stop(benchmark, outputs, done));
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      hand(measure(benchmark), outputs);
    } catch (Mla4jException e) {
      Report before = benchmark.soFar();
      if (!before.peaks().isEmpty() || !before.rows().isEmpty()) {
        hand(before, outputs);
      }
      throw e;
    } finally {
      done.countDown();
      if (!stopped) {
        Runtime.getRuntime().removeShutdownHook(hook);
      }
    }
  }

  private void stop(Benchmark benchmark, Outputs outputs, CountDownLatch done) {
    stopped = true;
    try {
      // In turns: the clock goes on while the system has suspended the process.
      for (int i = 0; i < LONGEST_SAMPLE_SECONDS * TURNS; i++) {
        if (done.await(1000 / TURNS, TimeUnit.MILLISECONDS)) {
          return;
        }
      }
      if (!hand(benchmark.soFar(), outputs)) {
        done.await(LONGEST_WRITE_SECONDS, TimeUnit.SECONDS);
      }
    } catch (IOException | Mla4jException e) {
      note(e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      benchmark.abandon();
    }
  }

  /** Writes the results, once. */
  private boolean hand(Report report, Outputs outputs) throws IOException {
    boolean first = written.compareAndSet(false, true);
    if (first) {
      outputs.write(report, out());
    }
    return first;
  }

  private void note(String text) {
    err().println((interactive() ? CLEAR_LINE : "") + "mla4j: " + text);
  }

  private Progress progress() {
    if (!interactive()) {
      return Progress.NONE;
    }
    return (at, total, label) ->
        err().print(CLEAR_LINE + (at == total || stopped ? "" : at + "/" + total + " " + label));
  }
}
