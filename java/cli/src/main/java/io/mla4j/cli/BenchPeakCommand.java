package io.mla4j.cli;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Report;
import picocli.CommandLine.Command;

/** {@code mla4j bench peak}: what the machine can do at best. */
@Command(
    name = "peak",
    description =
        "Rates of fp32, bf16 and int8, and of reading working sets of growing size, native and"
            + " Java; and which instruction set is chosen, and why.")
final class BenchPeakCommand extends BenchMeasurement {
  @Override
  Report measure(Benchmark benchmark) {
    return benchmark.peak(options.threads());
  }
}
