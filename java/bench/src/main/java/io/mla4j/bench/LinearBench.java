package io.mla4j.bench;

import io.mla4j.ComputeType;
import io.mla4j.TensorType;
import io.mla4j.bench.LinearGrid.Benchmark;
import io.mla4j.cpu.CpuDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;

/** Linear layers, alone and as experts. */
final class LinearBench {
  private LinearBench() {}

  /** A row that waits for its memory. */
  private record Planned(long bytes, Function<DataPool, Case> make) {}

  static List<Row> run(
      Lab lab, LinearGrid grid, Progress progress, BooleanSupplier stopped, Consumer<String> note) {
    List<Planned> planned = new ArrayList<>();
    for (CpuDevice device : lab.devices(grid.backends(), grid.isas(), grid.threads())) {
      List<ComputeType> computes =
          grid.computes().isEmpty() ? List.of(device.preferredComputeType()) : grid.computes();
      for (ComputeType compute : computes) {
        for (TensorType type : grid.weightTypes()) {
          for (AttentionGrid.Residency residency : grid.residencies()) {
            for (Benchmark benchmark : grid.benchmarks()) {
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
            note.accept(
                "a row is left out: its weights are "
                    + (p.bytes() >> 20)
                    + " MiB, more than --memory "
                    + (most >> 20));
          }
          return p.bytes() > most;
        });
    DataPool pool = lab.pool(planned.stream().mapToLong(Planned::bytes).max().orElse(0));
    List<Case> cases = new ArrayList<>();
    try {
      planned.forEach(p -> cases.add(p.make().apply(pool)));
      PeakMeter meter = lab.meter();
      lab.pin();
      return new Runner(lab.settings(), meter, progress, stopped).run(cases);
    } finally {
      cases.forEach(Case::close);
    }
  }

  private static void addSizes(
      List<Planned> planned,
      LinearGrid grid,
      CpuDevice device,
      ComputeType compute,
      TensorType type,
      AttentionGrid.Residency residency,
      Benchmark benchmark) {
    if (benchmark == Benchmark.GROUPED) {
      planned.add(
          new Planned(
              MixtureCase.weightBytes(grid.mixture(), type),
              pool -> new MixtureCase(device, grid.mixture(), compute, type, pool)));
      return;
    }
    for (LinearGrid.Size size : grid.sizes()) {
      for (int rows : benchmark == Benchmark.GEMV ? List.of(1) : grid.rows()) {
        planned.add(
            new Planned(
                LinearCase.weightBytes(size, type),
                pool -> new LinearCase(device, size, rows, compute, type, residency, pool)));
      }
    }
  }
}
