package io.mla4j.cli;

import io.mla4j.ComputeType;
import io.mla4j.bench.Benchmark;
import java.util.List;

/** Which kernels a measurement is about. */
final class BenchKernels {
  List<String> backends;
  List<String> isas = List.of();
  List<ComputeType> computes = List.of();

  /** Adds the options to a command. */
  void declare(Args args) {
    args.list(
        "--backend",
        "<backends>",
        String.class,
        v -> backends = v,
        "native, vector, scalar, and cuda for attention; default: native,vector, those that"
            + " work.");
    args.list(
        "--isa",
        "<isas>",
        String.class,
        v -> isas = v,
        "Instruction sets of the native backend; default: the one it chooses.");
    args.list(
        "--compute",
        "TYPE",
        ComputeType.class,
        v -> computes = v,
        "f32, bf16; default: the faster one of the backend.");
  }

  /** Those that were named, or the usual ones that work here; which do not is noted. */
  List<String> backends(Benchmark benchmark) {
    return backends == null ? benchmark.usualBackends() : backends;
  }
}
