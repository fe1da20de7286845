package io.mla4j.cli;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.Report;
import io.mla4j.bench.Suite;

/** {@code mla4j bench} with a measurement, or without: then everything that the documents show. */
final class BenchCommand extends BenchMeasurement {
  private final BenchContexts contexts = new BenchContexts();

  @Override
  void declare(Args args) {
    args.description(
        "Measure kernels and models next to what this machine can do at best.",
        "Without a COMMAND: peaks, attention of every kind, linear layers, a model and the start,"
            + " one after the other; with --quick in two minutes.");
    args.spec().usageMessage().synopsisSubcommandLabel("[COMMAND]");
    args.command("peak", new BenchPeakCommand(), streams);
    args.command("attention", new BenchAttentionCommand(), streams);
    args.command("linear", new BenchLinearCommand(), streams);
    args.command("model", new BenchModelCommand(), streams);
    args.command("make-model", new BenchMakeModelCommand(), streams);
    args.command("startup", new BenchStartupCommand(), streams);
    args.command("compare", new BenchCompareCommand(), streams);
    super.declare(args);
    contexts.declare(args);
  }

  @Override
  CacheTable.Budget budget() {
    return contexts.budget(options);
  }

  @Override
  Report measure(Benchmark benchmark) {
    Suite suite = options.quick ? Suite.QUICK : Suite.FULL;
    return suite.run(
        benchmark, benchmark.usualBackends(), options.threads(), BenchStartupCommand.command(this));
  }
}
