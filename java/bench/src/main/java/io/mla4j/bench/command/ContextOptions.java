package io.mla4j.bench.command;

import io.mla4j.bench.CacheTable;
import io.mla4j.cli.Args;

/** For which memory a measurement tells the context that fits. */
final class ContextOptions {
  private static final long GIBIBYTE = 1L << 30;

  private int memory = (int) (CacheTable.Budget.USUAL.bytes() / GIBIBYTE);
  private int layers = CacheTable.Budget.USUAL.layers();

  /** Adds the options to a command. */
  void declare(Args args) {
    args.one(
        "--cache-memory GIB",
        int.class,
        v -> memory = v,
        "Where kinds stand side by side: tell the context that fits in so much; default: "
            + memory
            + ".");
    args.one(
        "--layers N",
        int.class,
        v -> layers = v,
        "And in the caches of so many layers; default: " + layers + ".");
  }

  CacheTable.Budget budget(MeasurementOptions options) {
    return new CacheTable.Budget(
        options.range("--cache-memory", memory, 1, 1 << 20) * GIBIBYTE,
        options.range("--layers", layers, 1, 1 << 16));
  }
}
