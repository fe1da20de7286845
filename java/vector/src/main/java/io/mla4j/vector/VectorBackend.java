package io.mla4j.vector;

import io.mla4j.BackendException;
import io.mla4j.Device;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.SystemMemory;
import io.mla4j.spi.Backend;
import java.util.List;
import java.util.Optional;

/**
 * The backend {@code vector}: any processor for which the JDK has vectors, no native code. Vectors
 * are as long as the JDK prefers; the system property {@code mla4j.vector.bits} (128, 256, 512)
 * asks for shorter ones, once for the whole process. Thread-safe.
 */
public final class VectorBackend implements Backend {
  private static final String MODULE = "jdk.incubator.vector";

  /** A backend that has not looked at the machine yet. */
  public VectorBackend() {}

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public int rank() {
    return 100;
  }

  @Override
  public Probe probe() {
    if (!hasModule()) {
      return unavailable("the module " + MODULE + " is not there: add --add-modules " + MODULE);
    }
    return VectorProbe.probe();
  }

  /** Asked before any class is loaded that needs the module. */
  private static boolean hasModule() {
    return ModuleLayer.boot().findModule(MODULE).isPresent();
  }

  static Probe unavailable(String reason) {
    return new Probe(false, reason, List.of(), Optional.empty(), Optional.empty());
  }

  @Override
  public Device open(Options options) {
    Probe probe = probe();
    if (!probe.available()) {
      throw new BackendException("backend vector is unavailable: " + probe.reason());
    }
    if (options.isa() != null && !probe.isas().contains(options.isa())) {
      throw new BackendException(
          "isa is "
              + options.isa()
              + ", but backend vector has "
              + String.join(", ", probe.isas())
              + " here");
    }
    return new CpuDevice(
        name(), VectorProbe.kernels(), SystemMemory.ifPermitted(), options.threads());
  }
}
