package io.mla4j.cpu;

import io.mla4j.BackendException;
import io.mla4j.Device;
import io.mla4j.spi.Backend;
import java.util.List;
import java.util.Optional;

/** Plain Java loops: works everywhere. */
public final class ScalarBackend implements Backend {
  /** A backend without state, for {@link java.util.ServiceLoader}. */
  public ScalarBackend() {}

  @Override
  public String name() {
    return "scalar";
  }

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public Probe probe() {
    return new Probe(
        true,
        "plain Java, works everywhere",
        List.of("scalar"),
        Optional.empty(),
        Optional.empty());
  }

  @Override
  public Device open(Options options) {
    if (options.isa() != null && !options.isa().equals("scalar")) {
      throw new BackendException(
          "isa is " + options.isa() + ", but the scalar backend has only scalar");
    }
    return new CpuDevice(
        name(), new ScalarKernels(), SystemMemory.ifPermitted(), options.threads());
  }
}
