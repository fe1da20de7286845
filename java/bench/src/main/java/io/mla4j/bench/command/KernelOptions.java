package io.mla4j.bench.command;

import io.mla4j.Backends;
import io.mla4j.ComputeType;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Grid;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.util.List;

/** Which kernels a measurement is about. */
final class KernelOptions {
  private final Grid grid;
  private final List<String> known;

  /** For a measurement of any backend. */
  KernelOptions(Grid grid) {
    this(grid, Backends.names());
  }

  private KernelOptions(Grid grid, List<String> known) {
    this.grid = grid;
    this.known = known;
  }

  /** For a measurement that devices with memory of their own do not have. */
  static KernelOptions ofProcessor(Grid grid) {
    return new KernelOptions(
        grid, Backends.names().stream().filter(name -> !Backends.hasOwnMemory(name)).toList());
  }

  /** Adds the options to a command. */
  void declare(Args args) {
    args.list(
        "--backend NAME",
        String.class,
        v -> grid.backends = v,
        String.join(", ", known)
            + "; default: those of the processor that work, or of several all but scalar.");
    args.list(
        "--isa NAME",
        String.class,
        v -> grid.isas = v,
        "Instruction sets of the native backend; default: the one it chooses.");
    args.list(
        "--compute TYPE",
        ComputeType.class,
        v -> grid.computes = v,
        "f32, bf16, int8; default: the faster one of the backend.");
  }

  /** Checks what does not depend on the machine. */
  void check(StreamCommand command) {
    for (String name : grid.backends) {
      if (!known.contains(name)) {
        throw command.usage(
            "--backend is " + name + ", but must be one of " + String.join(", ", known));
      }
    }
    grid.isas.forEach(isa -> command.read("--isa", isa, Benchmark::isa));
    if (!grid.isas.isEmpty() && !grid.backends.isEmpty() && !grid.backends.contains("native")) {
      throw command.usage("--isa is of the native backend, which --backend does not name");
    }
  }

  /**
   * Where no backend was named, takes the usual ones; without --isa, which asks for native, of
   * these only what works here, and what does not is noted.
   */
  void complete(Benchmark benchmark, List<Integer> threads) {
    grid.threads = threads;
    if (grid.backends.isEmpty()) {
      grid.backends = grid.isas.isEmpty() ? benchmark.usualBackends() : List.of("native", "vector");
    }
  }
}
