package io.mla4j.bench.command;

import io.mla4j.bench.CacheTable;
import io.mla4j.bench.Settings;
import io.mla4j.cli.Args;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** The options of every measurement: how it measures, and where results go. */
final class MeasurementOptions {
  private static final long MEBIBYTE = 1L << 20;
  private static final int MAX_THREADS = 1024;

  /** A pebibyte, in MiB. */
  private static final long MAX_MEMORY = 1L << 30;

  boolean quick;
  Integer repetitions;
  Integer sampleMillis;
  List<Integer> threads;
  boolean pin;
  boolean verify;
  Long memory;
  String json;
  Path csv;
  Path markdown;
  Path plot;
  private CommandSpec spec;

  /** Adds the options to a command. */
  void declare(Args args) {
    spec = args.spec();
    args.flag("--quick", v -> quick = v, "Fewer and shorter samples, for a look.");
    args.one(
        "--repetitions N",
        Integer.class,
        v -> repetitions = v,
        "Samples of each row, taken in turns; default: 9, with --quick 3.");
    args.one(
        "--sample-ms MS",
        Integer.class,
        v -> sampleMillis = v,
        "A sample repeats its operation for as long; default: 40, with --quick 10.");
    args.list(
        "--threads N",
        Integer.class,
        v -> threads = v,
        "Threads of an operation, a list; default: 1 and the processors.");
    args.flag("--pin", v -> pin = v, "Pin threads to processors (Linux).");
    args.flag(
        "--verify",
        v -> verify = v,
        "Compare a sample of every row's results with the oracle first; not of models, starts.");
    args.one(
        "--memory MIB",
        Long.class,
        v -> memory = v,
        "The most memory for a row, in MiB; default: a quarter of the machine's.");
    args.one(
        "--json FILE",
        String.class,
        v -> json = v,
        "Write the results as one JSON object; - for stdout, instead of the table.");
    args.one("--csv FILE", Path.class, v -> csv = v, "Write the rows as comma-separated values.");
    args.one("--markdown FILE", Path.class, v -> markdown = v, "Write the tables as Markdown.");
    args.one(
        "--plot DIR",
        Path.class,
        v -> plot = v,
        "Draw the rows: SVG and PNG files, and one index.html that shows them.");
  }

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
  Outputs outputs(CacheTable.Budget budget) {
    return new Outputs(json, csv, markdown, plot, budget);
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
