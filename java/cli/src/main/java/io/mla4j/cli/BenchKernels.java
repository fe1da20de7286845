package io.mla4j.cli;

import io.mla4j.ComputeType;
import io.mla4j.bench.Benchmark;
import java.util.List;
import picocli.CommandLine.Option;

/** Which kernels a measurement is about. */
final class BenchKernels {
  @Option(
      names = "--backend",
      split = ",",
      description =
          "native, vector, scalar, and cuda for attention; default: native,vector, those that"
              + " work.")
  List<String> backends;

  @Option(
      names = "--isa",
      split = ",",
      description = "Instruction sets of the native backend; default: the one it chooses.")
  List<String> isas = List.of();

  @Option(
      names = "--compute",
      split = ",",
      paramLabel = "TYPE",
      description = "f32, bf16; default: the faster one of the backend.")
  List<ComputeType> computes = List.of();

  /** Those that were named, or the usual ones that work here; which do not is noted. */
  List<String> backends(Benchmark benchmark) {
    return backends == null ? benchmark.usualBackends() : backends;
  }
}
