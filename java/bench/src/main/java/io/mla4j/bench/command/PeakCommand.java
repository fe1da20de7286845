package io.mla4j.bench.command;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;

/** {@code mla4j bench peak}: what the machine can do at best. */
final class PeakCommand extends Measurement {
  @Override
  public void declare(Args args) {
    args.description(
        "Rates of fp32, bf16 and int8, and of reading working sets of growing size, native and"
            + " Java; and which instruction set is chosen, and why.");
    super.declare(args);
  }

  @Override
  Report measure(Benchmark benchmark) {
    return benchmark.peak(options.threads());
  }
}
