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

/** Attention on a GPU, with memory and limits of its own. */
final class CudaBench implements AutoCloseable {
  static final String BACKEND = "cuda";

  private final Settings settings;
  private final Accelerator device;
  private DataPool pool;
  private CudaLimits limits;

  CudaBench(Settings settings) {
    this.settings = settings;
    Device opened = Backends.open(new Backends.Choice(BACKEND, null, 0));
    if (!(opened instanceof Accelerator cuda)) {
      opened.close();
      throw new BenchException("backend " + BACKEND + " is not the one of this library");
    }
    device = cuda;
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
            run.note(spec.label() + " is left out: " + BACKEND + " has MLA alone");
          }
          return leftOut;
        });
    long bytes = specs.stream().mapToLong(AttentionSpec::layerBytes).max().orElse(0);
    pool = new DataPool(device, Math.max(bytes, settings.poolBytes()));
    limits = new CudaLimits(device, pool);
    Set<Axes> known = new HashSet<>();
    List<Supplier<Case>> plans = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      plans.add(
          () ->
              AttentionBench.onlyOnce(
                  new CudaAttentionCase(spec, pool, device, limits), known, run));
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
        BACKEND,
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
