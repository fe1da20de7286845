package io.mla4j.bench.command;

import io.mla4j.ComputeType;
import io.mla4j.bench.Benchmark;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.util.List;

/** Which kernels a measurement is about. */
final class KernelOptions {
  private final List<String> known;
  private List<String> backends;
  private List<String> isas = List.of();
  List<ComputeType> computes = List.of();

  /**
   * For a measurement of these backends.
   *
   * @param known by name
   */
  KernelOptions(String... known) {
    this.known = List.of(known);
  }

  /** Adds the options to a command. */
  void declare(Args args) {
    args.list(
        "--backend",
        "NAME",
        String.class,
        v -> backends = v,
        String.join(", ", known) + "; default: native,vector, those that work.");
    args.list(
        "--isa",
        "NAME",
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

  /** Checks what does not depend on the machine. */
  void check(StreamCommand command) {
    for (String name : backends == null ? List.<String>of() : backends) {
      if (!known.contains(name)) {
        throw command.usage(
            "--backend is " + name + ", but must be one of " + String.join(", ", known));
      }
    }
    isas.forEach(isa -> command.read("--isa", isa, Benchmark::isa));
    if (!isas.isEmpty() && backends != null && !backends.contains("native")) {
      throw command.usage("--isa is of the native backend, which --backend does not name");
    }
  }

  /**
   * Those that were named, or the usual ones; without --isa, which asks for native, of these only
   * what works here, and what does not is noted.
   */
  List<String> backends(Benchmark benchmark) {
    if (backends != null) {
      return backends;
    }
    return isas.isEmpty() ? benchmark.usualBackends() : List.of("native", "vector");
  }

  List<String> isas() {
    return isas;
  }
}
