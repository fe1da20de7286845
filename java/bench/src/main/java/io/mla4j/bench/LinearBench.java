package io.mla4j.bench;

import io.mla4j.ComputeType;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.StorageFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;

/** Linear layers, alone and as experts. */
final class LinearBench {
  private LinearBench() {}

  /** A row that waits for its memory. */
  private record Planned(String label, long bytes, Function<DataPool, Case> make) {}

  static List<Row> run(Lab lab, LinearGrid grid, Benchmark run) {
    List<Planned> planned = new ArrayList<>();
    for (CpuDevice device : grid.devices(lab, grid.backends)) {
      for (ComputeType compute : grid.computes(device)) {
        for (StorageFormat type : Grid.each(grid.weightTypes)) {
          for (AttentionGrid.Residency residency : Grid.each(grid.residencies)) {
            for (LinearGrid.Benchmark benchmark : Grid.each(grid.benchmarks)) {
              addSizes(planned, grid, device, compute, type, residency, benchmark);
            }
          }
        }
      }
    }
    long most = lab.settings().maxBytes();
    planned.removeIf(
        p -> {
          if (p.bytes() > most) {
            run.note(
                p.label()
                    + " is left out: its weights are "
                    + (p.bytes() >> 20)
                    + " MiB, more than --memory "
                    + (most >> 20));
          }
          return p.bytes() > most;
        });
    if (planned.isEmpty() || run.isStopped()) {
      return List.of();
    }
    DataPool pool = lab.pool(planned.stream().mapToLong(Planned::bytes).max().orElse(0));
    List<Supplier<Case>> plans = new ArrayList<>();
    planned.forEach(p -> plans.add(() -> p.make().apply(pool)));
    return run.measure(plans, lab::pinnedMeter);
  }

  private static void addSizes(
      List<Planned> planned,
      LinearGrid grid,
      CpuDevice device,
      ComputeType compute,
      StorageFormat type,
      AttentionGrid.Residency residency,
      LinearGrid.Benchmark benchmark) {
    if (benchmark == LinearGrid.Benchmark.GROUPED) {
      planned.add(
          new Planned(
              MixtureCase.axes(device, grid.mixture, compute, type, residency).label(),
              MixtureCase.weightBytes(grid.mixture, type),
              pool -> new MixtureCase(device, grid.mixture, compute, type, residency, pool)));
      return;
    }
    for (LinearGrid.Size size : Grid.each(grid.sizes)) {
      for (int rows : benchmark == LinearGrid.Benchmark.GEMV ? List.of(1) : Grid.each(grid.rows)) {
        planned.add(
            new Planned(
                LinearCase.axes(device, size, rows, compute, type, residency).label(),
                LinearCase.weightBytes(size, type),
                pool -> new LinearCase(device, size, rows, compute, type, residency, pool)));
      }
    }
  }
}
