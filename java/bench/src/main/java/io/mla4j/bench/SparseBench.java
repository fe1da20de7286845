package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.bench.AttentionGrid.Phase;
import io.mla4j.bench.AttentionGrid.Residency;
import io.mla4j.bench.SparseGrid.Part;
import io.mla4j.cpu.CpuDevice;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/** Sparse attention of a step beside the dense one: choosing tokens, and attending to them. */
final class SparseBench {
  private SparseBench() {}

  /** Measures the rows of a grid, all of them in turns. */
  static List<Row> run(Lab lab, SparseGrid grid, Benchmark run) {
    List<SparseSpec> specs = specs(grid.devices(lab, grid.backends), grid);
    specs.removeIf(
        spec -> {
          String reason = spec.impossible(lab.settings().maxBytes());
          if (reason != null) {
            run.note(spec.axes().label() + " is left out: " + reason);
          }
          return reason != null;
        });
    if (specs.isEmpty() || run.isStopped()) {
      return List.of();
    }
    DataPool pool = lab.pool(specs.stream().mapToLong(SparseSpec::layerBytes).max().getAsLong());
    List<Supplier<Case>> plans = new ArrayList<>();
    specs.forEach(spec -> plans.add(() -> new SparseCase(spec, pool)));
    return run.measure(plans, lab::pinnedMeter);
  }

  /** All combinations, each once: an indexer does not know how many heads attend. */
  private static List<SparseSpec> specs(List<CpuDevice> devices, SparseGrid grid) {
    List<SparseSpec> specs = new ArrayList<>();
    Set<Axes> known = new HashSet<>();
    for (CpuDevice device : devices) {
      for (ComputeType compute : grid.computes(device)) {
        for (CacheType cacheType : Grid.each(grid.cacheTypes)) {
          AttentionSpec.Types types = new AttentionSpec.Types(compute, cacheType);
          for (AttentionSpec.Size size : sizes(grid)) {
            AttentionSpec dense =
                new AttentionSpec(
                    Phase.DECODE,
                    Kind.MLA,
                    device,
                    null,
                    size,
                    types,
                    AttentionForm.AUTO,
                    Residency.COLD);
            for (Part part : Grid.each(grid.parts)) {
              SparseSpec spec = new SparseSpec(part, dense, grid.indexer, grid.topK);
              if (known.add(spec.axes())) {
                specs.add(spec);
              }
            }
          }
        }
      }
    }
    return specs;
  }

  private static List<AttentionSpec.Size> sizes(SparseGrid grid) {
    List<AttentionSpec.Size> sizes = new ArrayList<>();
    for (int heads : Grid.each(grid.heads)) {
      for (int queries : Grid.each(grid.sQ)) {
        for (int tokens : Grid.each(grid.tokens)) {
          sizes.add(new AttentionSpec.Size(heads, tokens, 1, queries, grid.page));
        }
      }
    }
    return sizes;
  }
}
