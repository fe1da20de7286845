package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.BackendException;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.bench.AttentionGrid.Phase;
import io.mla4j.cpu.CpuDevice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/** Decode and prefill, of MLA and of what it is compared with. */
final class AttentionBench {
  private AttentionBench() {}

  /** Measures the rows of a grid, all of them in turns. */
  static List<Row> run(Lab lab, AttentionGrid grid, Benchmark run) {
    List<AttentionSpec> specs =
        possible(lab.settings().maxBytes(), specs(devices(lab, grid), grid), run);
    if (specs.isEmpty() || run.isStopped()) {
      return List.of();
    }
    DataPool pool = lab.pool(specs.stream().mapToLong(AttentionSpec::layerBytes).max().getAsLong());
    Set<Axes> known = new HashSet<>();
    List<Supplier<Case>> plans = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      plans.add(
          () ->
              onlyOnce(
                  spec.library() == null ? make(spec, pool) : probe(spec, pool, run), known, run));
    }
    return run.measure(plans, lab::pinnedMeter);
  }

  private static Case make(AttentionSpec spec, DataPool pool) {
    return spec.kind() == Kind.MLA
        ? new LatentAttentionCase(spec, pool, new CpuLimits(((CpuDevice) spec.device()).workers()))
        : new KeyValueAttentionCase(spec, pool);
  }

  /** A case of somebody else's library, or null: what a library lacks shows when it is asked. */
  private static Case probe(AttentionSpec spec, DataPool pool, Benchmark run) {
    Case made = null;
    try {
      made = make(spec, pool);
      made.run();
      return made;
    } catch (BackendException | InvalidArgumentException e) {
      run.note(spec.label() + " is left out: " + e.getMessage());
      if (made != null) {
        made.close();
      }
      return null;
    }
  }

  /** The case, or null: the form that is chosen by itself may be another one of the grid. */
  static Case onlyOnce(Case made, Set<Axes> known, Benchmark run) {
    if (made == null || known.add(made.axes)) {
      return made;
    }
    run.note(made.label() + " is measured once: --form auto chooses the same");
    made.close();
    return null;
  }

  /** Those whose sizes fit together and whose cache of a layer has at most so many bytes. */
  static List<AttentionSpec> possible(long maxBytes, List<AttentionSpec> specs, Benchmark run) {
    List<AttentionSpec> possible = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      String reason = spec.impossible(maxBytes);
      if (reason == null) {
        possible.add(spec);
      } else {
        run.note(spec.label() + " is left out: " + reason);
      }
    }
    return possible;
  }

  /** All combinations of a grid on each device. */
  static List<AttentionSpec> specs(List<? extends Device> devices, AttentionGrid grid) {
    List<AttentionSpec> specs = new ArrayList<>();
    for (Device device : devices) {
      for (ComputeType compute : grid.computes(device)) {
        for (CacheType cacheType : Grid.each(grid.cacheTypes)) {
          AttentionSpec.Types types = new AttentionSpec.Types(compute, cacheType);
          for (AttentionGrid.Residency residency : Grid.each(grid.residencies)) {
            for (Phase phase : Grid.each(grid.phases)) {
              addSizes(specs, grid, device, types, residency, phase);
            }
          }
        }
      }
    }
    return specs;
  }

  private static void addSizes(
      List<AttentionSpec> specs,
      AttentionGrid grid,
      Device device,
      AttentionSpec.Types types,
      AttentionGrid.Residency residency,
      Phase phase) {
    Path library = device.backend().equals("library") ? grid.library : null;
    for (int heads : Grid.each(grid.heads)) {
      for (Kind kind : Grid.each(grid.kinds)) {
        for (AttentionForm form : forms(grid, phase, kind)) {
          for (AttentionSpec.Size size : sizes(grid, phase, heads)) {
            specs.add(
                new AttentionSpec(phase, kind, device, library, size, types, form, residency));
          }
        }
      }
    }
  }

  private static List<AttentionForm> forms(AttentionGrid grid, Phase phase, Kind kind) {
    AttentionForm usual = phase == Phase.DECODE ? AttentionForm.ABSORBED : AttentionForm.AUTO;
    List<AttentionForm> forms = grid.forms.isEmpty() ? List.of(usual) : Grid.each(grid.forms);
    return kind == Kind.MLA ? forms : forms.subList(0, 1);
  }

  private static List<AttentionSpec.Size> sizes(AttentionGrid grid, Phase phase, int heads) {
    boolean decode = phase == Phase.DECODE;
    List<AttentionSpec.Size> sizes = new ArrayList<>();
    for (int batch : Grid.each(grid.batches)) {
      for (int queries : Grid.each(decode ? grid.sQ : grid.prefill)) {
        for (int context : Grid.each(decode ? grid.tokens : grid.cached)) {
          int tokens = decode ? context : context + queries;
          for (int page : Grid.each(grid.pages)) {
            sizes.add(new AttentionSpec.Size(heads, tokens, batch, queries, page));
          }
        }
      }
    }
    return sizes;
  }

  /** The backends of the grid that {@link AcceleratorBench} does not measure. */
  static List<String> ofProcessor(AttentionGrid grid) {
    return grid.backends.stream().filter(name -> !Backends.hasOwnMemory(name)).toList();
  }

  private static List<CpuDevice> devices(Lab lab, AttentionGrid grid) {
    List<CpuDevice> devices = grid.devices(lab, ofProcessor(grid));
    if (grid.library != null) {
      Grid.each(grid.threads).forEach(n -> devices.add(lab.libraryDevice(grid.library, n)));
    }
    return devices;
  }
}
