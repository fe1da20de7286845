package io.mla4j.toy;

import io.mla4j.Device;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.spi.Backend;
import io.mla4j.spi.Kernels;
import java.util.List;
import java.util.Optional;

/** A backend whose kernels are those of plain Java. */
public final class ToyBackend implements Backend {
  private final Kernels kernels = new ScalarKernels();

  @Override
  public String name() {
    return "toy";
  }

  @Override
  public int rank() {
    return 150;
  }

  @Override
  public Probe probe() {
    return new Probe(true, "a toy", List.of(kernels.isa()), Optional.empty(), Optional.empty());
  }

  @Override
  public Device open(Options options) {
    return new CpuDevice(name(), kernels, CpuDevice.ARENA_ALLOCATOR, options.threads());
  }
}
