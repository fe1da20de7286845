package io.mla4j.bench;

import io.mla4j.Backends;
import io.mla4j.Device;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.Workers;
import io.mla4j.ffi.NativeBackend;
import io.mla4j.ffi.NativeKernels;
import io.mla4j.ffi.NativeLibrary;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The devices, the memory and the peak meter of a run. */
final class Lab implements AutoCloseable {
  private final Settings settings;
  private final Map<Backends.Choice, CpuDevice> devices = new LinkedHashMap<>();
  private final Map<Integer, CpuDevice> ofLibrary = new LinkedHashMap<>();
  private final CpuDevice first;
  private DataPool pool;
  private PeakMeter meter;
  private Pinning pinning;

  Lab(Settings settings) {
    this.settings = settings;
    first = device(hasNative() ? "native" : "scalar", null, 1);
  }

  static boolean hasNative() {
    return Backends.list().stream().anyMatch(s -> s.name().equals("native") && s.available());
  }

  Settings settings() {
    return settings;
  }

  /** The same device for the same choice. */
  CpuDevice device(String backend, String isa, int threads) {
    return devices.computeIfAbsent(new Backends.Choice(backend, isa, threads), this::open);
  }

  private CpuDevice open(Backends.Choice choice) {
    Device device = Backends.open(choice);
    if (!(device instanceof CpuDevice cpu)) {
      device.close();
      throw new BenchException(
          "backend " + choice.backend() + " is measured by bench attention alone");
    }
    return cpu;
  }

  /** Devices of every backend, of every instruction set of the native one, and thread count. */
  List<CpuDevice> devices(List<String> backends, List<String> isas, List<Integer> threads) {
    List<CpuDevice> found = new ArrayList<>();
    for (int n : threads) {
      for (String backend : backends) {
        if (backend.equals("native") && !isas.isEmpty()) {
          isas.forEach(isa -> found.add(device(backend, isa, n)));
        } else {
          found.add(device(backend, null, n));
        }
      }
    }
    return found;
  }

  /** A device with the kernels of somebody else's library. */
  CpuDevice libraryDevice(Path library, int threads) {
    return ofLibrary.computeIfAbsent(
        threads,
        n -> {
          NativeKernels theirs = NativeLibrary.open(library).kernels(null);
          return new CpuDevice(
              "library", new LibraryKernels(theirs, first.kernels()), first::allocate, n);
        });
  }

  /** Makes the pool at least as large. Call before {@link #pool}. */
  DataPool pool(long bytes) {
    if (pool == null || pool.bytes() < bytes) {
      if (pool != null) {
        pool.close();
      }
      pool = new DataPool(first, Math.max(bytes, settings.poolBytes()));
      meter = new PeakMeter(widest(), pool);
    }
    return pool;
  }

  /** The pool as it is. */
  DataPool pool() {
    return pool(settings.poolBytes());
  }

  PeakMeter meter() {
    pool();
    return meter;
  }

  /** The meter, with all threads pinned where the settings say so. */
  PeakMeter pinnedMeter() {
    PeakMeter ready = meter();
    pin();
    return ready;
  }

  /** The kernels with the widest vectors and the most instructions, or null. */
  private NativeKernels widest() {
    return Backends.list().stream()
        .filter(s -> s.name().equals("native") && s.available())
        .flatMap(s -> s.isas().stream())
        .max(Comparator.comparing(new NativeBackend().isaNames()::indexOf))
        .map(isa -> (NativeKernels) device("native", isa, 1).kernels())
        .orElse(null);
  }

  /** The threads of any device that has so many: which kernels it has does not matter. */
  Workers workers(int threads) {
    return devices.values().stream()
        .filter(device -> device.threads() == threads)
        .findFirst()
        .orElseGet(() -> device("scalar", null, threads))
        .workers();
  }

  /**
   * Pins the threads of all devices where the settings say so, once. Open them all before: a device
   * that a pinned thread opens sees only that thread's processor.
   */
  void pin() {
    if (settings.pin() && pinning == null) {
      pinning = new Pinning();
      devices.values().forEach(device -> pinning.pin(device.workers()));
      ofLibrary.values().forEach(device -> pinning.pin(device.workers()));
    }
  }

  @Override
  public void close() {
    if (pinning != null) {
      pinning.close();
    }
    List<CpuDevice> all = new ArrayList<>(devices.values());
    all.addAll(ofLibrary.values());
    all.forEach(CpuDevice::close);
    if (pool != null) {
      pool.close();
    }
  }
}
