package io.mla4j.cuda;

import io.mla4j.BackendException;
import io.mla4j.Device;
import io.mla4j.Mla4jException;
import io.mla4j.device.Accelerator;
import io.mla4j.ffi.library.LibraryFinder;
import io.mla4j.ffi.library.LibraryFinder.Found;
import io.mla4j.spi.Backend;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The backend {@code cuda}: kernels for NVIDIA GPUs of compute capability 8.0 and newer.
 *
 * <p>The device is the one that {@code -Dmla4j.cuda.device} or {@code MLA4J_CUDA_DEVICE} numbers,
 * else the first. The library is found, opened and checked once, when it is first asked about.
 * Thread-safe.
 */
public final class CudaBackend implements Backend {
  static final String NAME = "cuda";

  private final LibraryFinder finder;
  private Found<CudaLibrary> found;

  /** A backend that has not looked for its library yet. */
  public CudaBackend() {
    this(LibraryFinder.ofProcess(NAME));
  }

  CudaBackend(LibraryFinder finder) {
    this.finder = finder;
  }

  /** A backend over the library {@code file} and no other. */
  public static CudaBackend of(Path file) {
    LibraryFinder usual = LibraryFinder.ofProcess(NAME);
    return new CudaBackend(
        new LibraryFinder(
            NAME,
            name ->
                name.equals("mla4j.cuda.library")
                    ? file.toString()
                    : usual.properties().apply(name),
            usual.environment(),
            usual.resources()));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int rank() {
    return 300;
  }

  @Override
  public boolean hasOwnMemory() {
    return true;
  }

  /** The emulated library that the build made, named by scripts/mla4j. */
  @Override
  public Map<String, String> details() {
    return Optional.ofNullable(finder.properties().apply("mla4j.cuda.emulated"))
        .map(file -> Map.of("emulator", file))
        .orElse(Map.of());
  }

  @Override
  public boolean demanded() {
    return finder.isNamed();
  }

  @Override
  public Probe probe() {
    Found<CudaLibrary> f = find();
    if (f.failure() != null) {
      return unavailable(f, f.failure().getMessage());
    }
    try {
      CudaDriver.Info info = CudaDriver.info(f.library().table(), deviceNumber(f.library()));
      return new Probe(
          true,
          describe(info),
          List.of(info.isa()),
          Optional.of(f.file()),
          Optional.of(f.library().version()));
    } catch (Mla4jException e) {
      return unavailable(f, e.getMessage().replaceFirst("^backend cuda: ", ""));
    }
  }

  private static Probe unavailable(Found<CudaLibrary> f, String reason) {
    return new Probe(
        false,
        reason,
        List.of(),
        Optional.ofNullable(f.file()),
        Optional.ofNullable(f.library()).map(CudaLibrary::version));
  }

  /** {@code NVIDIA H100, compute capability 9.0, 79.6 of 80.0 GiB free, driver for CUDA 13.0}. */
  private static String describe(CudaDriver.Info info) {
    return String.format(
        Locale.ROOT,
        "%s, compute capability %d.%d, %.1f of %.1f GiB free, driver for CUDA %d.%d; weights in F16"
            + " and F32 become BF16 unless computed in F32",
        info.name(),
        info.major(),
        info.minor(),
        info.freeMemory() / (double) (1L << 30),
        info.totalMemory() / (double) (1L << 30),
        info.driver() / 1000,
        info.driver() % 1000 / 10);
  }

  /** The device that is asked for, if it is there. */
  private int deviceNumber(CudaLibrary library) {
    int count = CudaDriver.count(library.table());
    String asked =
        Optional.ofNullable(finder.properties().apply("mla4j.cuda.device"))
            .or(() -> Optional.ofNullable(finder.environment().apply("MLA4J_CUDA_DEVICE")))
            .filter(text -> !text.isBlank())
            .orElse("0");
    try {
      int number = Integer.parseInt(asked.strip());
      if (number >= 0 && number < count) {
        return number;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new BackendException("device is " + asked + ", but must be in 0.." + (count - 1));
  }

  @Override
  public Device open(Options options) {
    Found<CudaLibrary> f = find();
    if (f.failure() != null) {
      throw new BackendException(
          "backend cuda does not work here: " + f.failure().getMessage(), f.failure());
    }
    CudaDriver driver = new CudaDriver(f.library().table(), deviceNumber(f.library()));
    if (options.isa() != null && !options.isa().equals(driver.isa())) {
      throw new BackendException(
          "isa is " + options.isa() + ", but the device has only " + driver.isa());
    }
    return new Accelerator(driver);
  }

  private synchronized Found<CudaLibrary> find() {
    if (found == null) {
      found = finder.open(CudaLibrary::open);
    }
    return found;
  }
}
