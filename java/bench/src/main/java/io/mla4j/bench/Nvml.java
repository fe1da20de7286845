package io.mla4j.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * The energy counter of NVIDIA's management library: millijoules since the driver was loaded, of
 * GPUs from Volta on ({@code nvmlDeviceGetTotalEnergyConsumption}).
 */
final class Nvml {
  private static final int NAME_BYTES = 96;

  private final SymbolLookup library;

  private Nvml(SymbolLookup library) {
    this.library = library;
  }

  /** The library of the driver; none where there is no such driver, or no native access. */
  static Optional<SymbolLookup> library() {
    boolean windows = System.getProperty("os.name").startsWith("Windows");
    try {
      return Optional.of(
          SymbolLookup.libraryLookup(windows ? "nvml.dll" : "libnvidia-ml.so.1", Arena.global()));
    } catch (IllegalArgumentException | IllegalCallerException e) {
      return Optional.empty();
    }
  }

  /**
   * Microjoules that the GPU called {@code name} has spent; none where there are more of that name,
   * since numbers here are not those of its driver, or where it does not tell.
   */
  static Optional<LongSupplier> microjoules(SymbolLookup library, String name) {
    Nvml nvml = new Nvml(library);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment handle = arena.allocate(ValueLayout.ADDRESS);
      MemorySegment text = arena.allocate(NAME_BYTES);
      if (nvml.call("nvmlInit_v2") != 0 || nvml.call("nvmlDeviceGetCount_v2", number) != 0) {
        return Optional.empty();
      }
      MemorySegment found = null;
      for (int i = 0; i < number.get(ValueLayout.JAVA_INT, 0); i++) {
        boolean tells =
            nvml.call("nvmlDeviceGetHandleByIndex_v2", i, handle) == 0
                && nvml.call(
                        "nvmlDeviceGetName", handle.get(ValueLayout.ADDRESS, 0), text, NAME_BYTES)
                    == 0;
        if (tells && text.getString(0).equals(name)) {
          if (found != null) {
            return Optional.empty();
          }
          found = handle.get(ValueLayout.ADDRESS, 0);
        }
      }
      if (found == null) {
        return Optional.empty();
      }
      MemorySegment gpu = found;
      nvml.read(gpu);
      return Optional.of(() -> nvml.read(gpu));
    } catch (NoSuchElementException | IllegalCallerException | BenchException e) {
      return Optional.empty();
    }
  }

  private long read(MemorySegment gpu) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment millijoules = arena.allocate(ValueLayout.JAVA_LONG);
      int status = call("nvmlDeviceGetTotalEnergyConsumption", gpu, millijoules);
      if (status != 0) {
        throw new BenchException(
            "the GPU's energy counter cannot be read: NVML's status " + status);
      }
      return 1000 * millijoules.get(ValueLayout.JAVA_LONG, 0);
    }
  }

  /** Arguments are pointers and 32-bit integers; the result is a status. */
  private int call(String function, Object... arguments) {
    MemoryLayout[] layouts = new MemoryLayout[arguments.length];
    for (int i = 0; i < layouts.length; i++) {
      layouts[i] = arguments[i] instanceof Integer ? ValueLayout.JAVA_INT : ValueLayout.ADDRESS;
    }
    try {
      return (int)
          Linker.nativeLinker()
              .downcallHandle(
                  library.find(function).orElseThrow(),
                  FunctionDescriptor.of(ValueLayout.JAVA_INT, layouts))
              .invokeWithArguments(arguments);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new BenchException(function + " failed", e);
    }
  }
}
