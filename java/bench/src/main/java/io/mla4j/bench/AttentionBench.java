package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.bench.AttentionGrid.Phase;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.spi.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** Decode and prefill, of MLA and of what it is compared with. */
final class AttentionBench {
  private AttentionBench() {}

  /**
   * Measures the rows of a grid, all of them in turns.
   *
   * @param note is told which rows are left out, and why
   */
  static List<Row> run(
      Lab lab,
      AttentionGrid grid,
      Progress progress,
      BooleanSupplier stopped,
      Consumer<String> note) {
    List<AttentionSpec> specs =
        fitting(lab.settings().maxBytes(), specs(devices(lab, grid), grid), note);
    long bytes = specs.stream().mapToLong(AttentionSpec::layerBytes).max().orElse(0);
    DataPool pool = lab.pool(bytes);
    List<Case> cases = new ArrayList<>();
    try {
      for (AttentionSpec spec : specs) {
        cases.add(
            spec.kind() == Kind.MLA
                ? new LatentAttentionCase(
                    spec, pool, new CpuLimits(((CpuDevice) spec.device()).workers()))
                : new KeyValueAttentionCase(spec, pool));
      }
      PeakMeter meter = lab.meter();
      lab.pin();
      return new Runner(lab.settings(), meter, progress, stopped).run(cases);
    } finally {
      cases.forEach(Case::close);
    }
  }

  /** Those whose cache of a layer has at most so many bytes. */
  static List<AttentionSpec> fitting(
      long maxBytes, List<AttentionSpec> specs, Consumer<String> note) {
    List<AttentionSpec> fitting = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      if (spec.layerBytes() <= maxBytes) {
        fitting.add(spec);
      } else {
        note.accept(
            AttentionSpec.lower(spec.kind())
                + " with "
                + spec.heads()
                + " heads and "
                + spec.tokens()
                + " tokens is left out: its cache of one layer is "
                + (spec.layerBytes() >> 20)
                + " MiB, more than --memory "
                + (maxBytes >> 20));
      }
    }
    return fitting;
  }

  /** All combinations of a grid on each device. */
  static List<AttentionSpec> specs(List<? extends Device> devices, AttentionGrid grid) {
    List<AttentionSpec> specs = new ArrayList<>();
    for (Device device : devices) {
      for (ComputeType compute : computes(grid, device)) {
        for (CacheType cacheType : grid.cacheTypes()) {
          for (AttentionGrid.Residency residency : grid.residencies()) {
            for (Phase phase : grid.phases()) {
              for (int heads : grid.heads()) {
                for (Kind kind : grid.kinds()) {
                  addSizes(specs, grid, device, compute, cacheType, residency, phase, heads, kind);
                }
              }
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
      ComputeType compute,
      CacheType cacheType,
      AttentionGrid.Residency residency,
      Phase phase,
      int heads,
      Kind kind) {
    boolean decode = phase == Phase.DECODE;
    List<AttentionForm> forms = grid.forms();
    if (forms.isEmpty()) {
      forms = List.of(decode ? AttentionForm.ABSORBED : AttentionForm.AUTO);
    }
    if (kind != Kind.MLA) {
      forms = forms.subList(0, 1);
    }
    for (AttentionForm form : forms) {
      for (int batch : grid.batches()) {
        for (int queries : decode ? grid.sQ() : grid.prefill()) {
          for (int context : decode ? grid.tokens() : grid.cached()) {
            int tokens = decode ? Math.max(context, queries) : context + queries;
            specs.add(
                new AttentionSpec(
                    phase,
                    kind,
                    device,
                    device.backend().equals("library") ? grid.library() : null,
                    heads,
                    tokens,
                    batch,
                    queries,
                    compute,
                    cacheType,
                    form,
                    residency,
                    grid.page()));
          }
        }
      }
    }
  }

  /** The faster compute type of a device; somebody else's kernels compute what ours do. */
  private static List<ComputeType> computes(AttentionGrid grid, Device device) {
    return grid.computes().isEmpty() ? List.of(device.preferredComputeType()) : grid.computes();
  }

  /** The backends that {@link CudaBench} does not measure. */
  static List<String> ofProcessor(AttentionGrid grid) {
    return grid.backends().stream().filter(name -> !name.equals(CudaBench.BACKEND)).toList();
  }

  private static List<CpuDevice> devices(Lab lab, AttentionGrid grid) {
    List<CpuDevice> devices = lab.devices(ofProcessor(grid), grid.isas(), grid.threads());
    if (grid.library() != null) {
      grid.threads().forEach(n -> devices.add(lab.libraryDevice(grid.library(), n)));
    }
    return devices;
  }
}
