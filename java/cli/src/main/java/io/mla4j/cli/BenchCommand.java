package io.mla4j.cli;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Report;
import io.mla4j.bench.Suite;
import picocli.CommandLine.Command;

/** {@code mla4j bench} with a measurement, or without: then everything that the documents show. */
@Command(
    name = "bench",
    description = {
      "Measure kernels and models next to what this machine can do at best.",
      "Without a COMMAND: peaks, attention of every kind, linear layers, a model and the start, one"
          + " after the other; with --quick in two minutes."
    },
    synopsisSubcommandLabel = "[COMMAND]",
    subcommands = {
      BenchPeakCommand.class,
      BenchAttentionCommand.class,
      BenchLinearCommand.class,
      BenchModelCommand.class,
      BenchMakeModelCommand.class,
      BenchStartupCommand.class,
      BenchCompareCommand.class
    })
final class BenchCommand extends BenchMeasurement {
  @Override
  Report measure(Benchmark benchmark) {
    Suite suite = options.quick ? Suite.QUICK : Suite.FULL;
    return suite.run(
        benchmark,
        new BenchKernels().backends(benchmark),
        options.threads(),
        BenchStartupCommand.command(this));
  }
}
