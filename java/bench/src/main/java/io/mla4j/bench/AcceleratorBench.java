package io.mla4j.bench;

import io.mla4j.Backends;
import io.mla4j.Device;
import io.mla4j.device.Accelerator;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Attention on a device with memory, and so limits, of its own. */
final class AcceleratorBench implements AutoCloseable {
  private final Settings settings;
  private final String backend;
  private final Accelerator device;
  private DataPool pool;
  private AcceleratorLimits limits;

  /**
   * For the first device of a backend.
   *
   * @param backend by name
   */
  AcceleratorBench(Settings settings, String backend) {
    this.settings = settings;
    this.backend = backend;
    Device opened = Backends.open(new Backends.Choice(backend, null, 0));
    if (!(opened instanceof Accelerator accelerator)) {
      opened.close();
      throw new BenchException("backend " + backend + " has devices that bench does not know");
    }
    device = accelerator;
  }

  /** Rows of the grid, one for each of its points whatever its backends and threads. */
  List<Row> run(AttentionGrid grid, Benchmark run) {
    List<AttentionSpec> specs =
        AttentionBench.possible(
            Math.min(settings.maxBytes(), device.freeMemory() / 2),
            AttentionBench.specs(List.of(device), grid),
            run);
    specs.removeIf(
        spec -> {
          boolean leftOut = spec.kind() != Kind.MLA;
          if (leftOut) {
            run.note(spec.label() + " is left out: " + backend + " has MLA alone");
          }
          return leftOut;
        });
    long bytes = specs.stream().mapToLong(AttentionSpec::layerBytes).max().orElse(0);
    pool = new DataPool(device, Math.max(bytes, settings.poolBytes()));
    limits = new AcceleratorLimits(device, pool);
    Set<Axes> known = new HashSet<>();
    List<Supplier<Case>> plans = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      plans.add(
          () ->
              AttentionBench.onlyOnce(new AcceleratorCase(spec, pool, device, limits), known, run));
    }
    return run.measure(plans, () -> null);
  }

  /** The limits that the rows were compared with. */
  List<Peak> peaks(BooleanSupplier stopped) {
    double[] copies = new double[settings.repetitions()];
    double[] linears = new double[settings.repetitions()];
    for (int i = 0; i < copies.length; i++) {
      if (stopped.getAsBoolean()) {
        return List.of();
      }
      copies[i] = limits.bandwidth();
      linears[i] = limits.linear();
    }
    return List.of(
        peak("linear_bf16 of " + limits.size(), null, linears, "GFLOP/s"),
        peak("copy", 0L, copies, "GB/s"));
  }

  private Peak peak(String what, Long bytes, double[] rates, String unit) {
    return new Peak(
        what,
        backend,
        device.name(),
        1,
        bytes,
        Statistics.median(rates),
        Statistics.mad(rates),
        unit);
  }

  @Override
  public void close() {
    try {
      if (limits != null) {
        limits.close();
      }
      if (pool != null) {
        pool.close();
      }
    } finally {
      device.close();
    }
  }
}
