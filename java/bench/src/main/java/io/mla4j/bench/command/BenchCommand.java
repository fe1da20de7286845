package io.mla4j.bench.command;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.Report;
import io.mla4j.bench.Suite;
import io.mla4j.cli.Args;

/** {@code mla4j bench} with a measurement, or without: then everything that the documents show. */
final class BenchCommand extends Measurement {
  private final ContextOptions contexts = new ContextOptions();

  @Override
  public void declare(Args args) {
    args.description(
        "Measure kernels and models next to what this machine can do at best.",
        "Without a COMMAND: peaks, attention of every kind, linear layers, a model and the start,"
            + " one after the other; with --quick in two minutes.");
    args.spec().usageMessage().synopsisSubcommandLabel("[COMMAND]");
    command(args, "peak", new PeakCommand());
    command(args, "attention", new AttentionCommand());
    command(args, "sparse", new SparseCommand());
    command(args, "linear", new LinearCommand());
    command(args, "model", new ModelCommand());
    command(args, "make-model", new MakeModelCommand());
    command(args, "startup", new StartupCommand());
    command(args, "engine", new EngineCommand());
    command(args, "serve", new ServeCommand());
    command(args, "speculate", new SpeculateCommand());
    command(args, "cache", new CacheCommand());
    command(args, "paging", new PagingCommand());
    command(args, "compare", new CompareCommand());
    command(args, "plot-peers", new PlotPeersCommand());
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
        benchmark, benchmark.usualBackends(), options.threads(), StartupCommand.command(this));
  }
}
