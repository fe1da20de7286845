package io.mla4j.ffi;

import io.mla4j.BackendException;
import io.mla4j.Device;
import io.mla4j.MappedWatch;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ffi.library.LibraryFinder;
import io.mla4j.ffi.library.LibraryFinder.Found;
import io.mla4j.spi.Backend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * The backend {@code native}: C++ kernels for the instruction sets of the processor.
 *
 * <p>The library is found, opened and checked once, when it is first asked about. Thread-safe.
 */
public final class NativeBackend implements Backend {
  private final LibraryFinder finder;
  private Found<NativeLibrary> found;

  /** A backend that has not looked for its library yet. */
  public NativeBackend() {
    this(LibraryFinder.ofProcess("cpu"));
  }

  NativeBackend(LibraryFinder finder) {
    this.finder = finder;
  }

  @Override
  public String name() {
    return "native";
  }

  @Override
  public int rank() {
    return 200;
  }

  @Override
  public boolean demanded() {
    return finder.isNamed();
  }

  @Override
  public Probe probe() {
    Found<NativeLibrary> f = find();
    if (f.failure() != null) {
      return new Probe(
          false,
          f.failure().getMessage(),
          List.of(),
          Optional.ofNullable(f.file()),
          Optional.empty());
    }
    return new Probe(
        true,
        f.library().reason(),
        f.library().isas(),
        Optional.of(f.file()),
        Optional.of(f.library().version()));
  }

  /**
   * The instruction sets of the library, those included that this processor lacks, from the oldest
   * to the newest; none where there is no library.
   */
  public List<String> isaNames() {
    Found<NativeLibrary> f = find();
    return f.failure() == null ? f.library().isaNames() : List.of();
  }

  @Override
  public void prepare() {
    if (find().failure() == null) {
      NativeKernels.link();
    }
  }

  @Override
  public Device open(Options options) {
    Found<NativeLibrary> f = find();
    if (f.failure() != null) {
      throw new BackendException(
          "backend native does not work here: " + f.failure().getMessage(), f.failure());
    }
    return new CpuDevice(
        name(), f.library().kernels(options.isa()), allocator(f.library()), options.threads());
  }

  private static CpuDevice.Allocator allocator(NativeLibrary library) {
    return new CpuDevice.Allocator() {
      @Override
      public MemorySegment allocate(long bytes, Arena arena) {
        return NativeMemory.SYSTEM.allocate(bytes, arena);
      }

      @Override
      public boolean commitOnTouch(MemorySegment memory) {
        return NativeMemory.SYSTEM.commitOnTouch(memory);
      }

      @Override
      public boolean giveBack(MemorySegment memory) {
        return NativeMemory.SYSTEM.giveBack(memory);
      }

      @Override
      public MappedWatch watch(MemorySegment mapped) {
        return library.mappedFiles().map(files -> files.over(mapped)).orElse(MappedWatch.NONE);
      }
    };
  }

  private synchronized Found<NativeLibrary> find() {
    if (found == null) {
      found = finder.open(NativeLibrary::open);
    }
    return found;
  }
}
