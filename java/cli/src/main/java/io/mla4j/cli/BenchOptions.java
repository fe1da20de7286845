package io.mla4j.cli;

import io.mla4j.bench.Settings;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options of every measurement: how it measures, and where results go. */
final class BenchOptions {
  private static final long MEBIBYTE = 1L << 20;
  private static final int MAX_THREADS = 1024;

  /** A pebibyte, in MiB. */
  private static final long MAX_MEMORY = 1L << 30;

  @Option(names = "--quick", description = "Fewer and shorter samples, for a look.")
  boolean quick;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      description = "Samples of each row, taken in turns; default: 9, with --quick 3.")
  Integer repetitions;

  @Option(
      names = "--sample-ms",
      paramLabel = "MS",
      description = "A sample repeats its operation for as long; default: 40, with --quick 10.")
  Integer sampleMillis;

  @Option(
      names = "--threads",
      split = ",",
      paramLabel = "N",
      description = "Threads of an operation, a list; default: 1 and the processors.")
  List<Integer> threads;

  @Option(names = "--pin", description = "Pin threads to processors (Linux).")
  boolean pin;

  @Option(names = "--verify", description = "Compare every row's result with the oracle first.")
  boolean verify;

  @Option(
      names = "--memory",
      paramLabel = "MIB",
      description = "The most memory for a row, in MiB; default: a quarter of the machine's.")
  Long memory;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write the results as one JSON object; - for stdout, instead of the table.")
  String json;

  @Option(
      names = "--csv",
      paramLabel = "FILE",
      description = "Write the rows as comma-separated values.")
  Path csv;

  @Option(names = "--markdown", paramLabel = "FILE", description = "Write the tables as Markdown.")
  Path markdown;

  @Option(
      names = "--plot",
      paramLabel = "DIR",
      description = "Draw the rows: SVG and PNG files, and one index.html that shows them.")
  Path plot;

  @Spec(Spec.Target.MIXEE)
  CommandSpec spec;

  /** What the options say, and what they leave open as it is usual. */
  Settings settings() {
    Settings defaults = quick ? Settings.quick() : Settings.usual();
    long maxBytes = defaults.maxBytes();
    if (memory != null) {
      maxBytes = range("--memory", memory, 1, MAX_MEMORY) * MEBIBYTE;
    }
    return new Settings(
        repetitions == null
            ? defaults.repetitions()
            : range("--repetitions", repetitions, 1, 10_000),
        sampleMillis == null
            ? defaults.sampleNanos()
            : range("--sample-ms", sampleMillis, 0, 600_000) * 1_000_000L,
        defaults.warmUpNanos(),
        verify,
        pin,
        defaults.poolBytes(),
        maxBytes);
  }

  /** Where the results go. */
  BenchOutputs outputs() {
    return new BenchOutputs(json, csv, markdown, plot);
  }

  List<Integer> threads() {
    if (threads == null) {
      int processors = Runtime.getRuntime().availableProcessors();
      return processors == 1 ? List.of(1) : List.of(1, processors);
    }
    return ranges("--threads", threads, 1, MAX_THREADS);
  }

  List<Integer> ranges(String name, List<Integer> values, int least, int most) {
    values.forEach(value -> range(name, value, least, most));
    return values;
  }

  int range(String name, int value, int least, int most) {
    return (int) range(name, (long) value, least, most);
  }

  private long range(String name, long value, long least, long most) {
    if (value < least || value > most) {
      throw new ParameterException(
          spec.commandLine(), name + " is " + value + ", but must be in " + least + ".." + most);
    }
    return value;
  }
}
