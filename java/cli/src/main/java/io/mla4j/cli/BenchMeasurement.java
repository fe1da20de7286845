package io.mla4j.cli;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.CsvReport;
import io.mla4j.bench.JsonReport;
import io.mla4j.bench.MarkdownReport;
import io.mla4j.bench.Plots;
import io.mla4j.bench.Progress;
import io.mla4j.bench.Report;
import io.mla4j.bench.TextTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Mixin;

/**
 * A measurement: runs, tells how far it is, and hands out what it found, even when it is cut off.
 */
abstract class BenchMeasurement extends StreamCommand {
  /** A sample that has begun is finished, but not for ever. */
  private static final int LONGEST_SAMPLE_SECONDS = 15;

  @Mixin BenchOptions options;

  private volatile boolean stopped;

  /** Measures. */
  abstract Report measure(Benchmark benchmark);

  @Override
  final void execute() throws IOException {
    // Ctrl-C ends the JVM as soon as its hooks return: this one waits until the results are out.
    CountDownLatch done = new CountDownLatch(1);
    Thread hook =
        new Thread(
            () -> {
              stopped = true;
              try {
                done.await(LONGEST_SAMPLE_SECONDS, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      Report report =
          measure(
              new Benchmark(
                  options.settings(),
                  progress(),
                  () -> stopped,
                  note -> streams.err().println("mla4j: " + note)));
      write(report);
      streams.out().flush();
    } finally {
      done.countDown();
      if (!stopped) {
        Runtime.getRuntime().removeShutdownHook(hook);
      }
    }
  }

  private Progress progress() {
    if (!streams.interactive()) {
      return Progress.NONE;
    }
    return (at, total, label) ->
        streams.err().printf("\r\033[K%s", at == total ? "" : at + "/" + total + " " + label);
  }

  private void write(Report report) throws IOException {
    if (options.json != null && !options.json.equals("-")) {
      Files.writeString(Path.of(options.json), JsonReport.text(report) + "\n");
    }
    if (options.csv != null) {
      Files.writeString(options.csv, CsvReport.text(report));
    }
    if (options.markdown != null) {
      Files.writeString(options.markdown, MarkdownReport.text(report));
    }
    if (options.plot != null) {
      Plots.write(report, options.plot);
    }
    if ("-".equals(options.json)) {
      streams.out().println(JsonReport.text(report));
    } else {
      print(report);
    }
  }

  private void print(Report report) {
    streams.out().println(report.machine().summary().replace("; ", "\n") + "\n");
    if (!report.peaks().isEmpty()) {
      streams.out().println(TextTable.of(report.peaks()));
    }
    if (!report.rows().isEmpty()) {
      streams.out().println(TextTable.ofRows(report.rows()));
    }
    if (CacheTable.applies(report)) {
      streams.out().println(CacheTable.of(report));
    }
  }
}
