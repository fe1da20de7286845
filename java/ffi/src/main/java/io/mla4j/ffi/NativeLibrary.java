package io.mla4j.ffi;

import io.mla4j.BackendException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_get_kernels_fn;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ffi.library.LibraryFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A library with the functions of {@code mla.h}, opened, checked against the bindings, and kept
 * until the process ends. One without {@code describe} is checked by the size of its table and its
 * ABI version alone.
 *
 * <p>Each library is looked up on its own, so several may live in one process. Thread-safe.
 */
public final class NativeLibrary {
  private static final String ENTRY_POINT = "mla_get_kernels";

  private final String name;
  private final MemorySegment entryPoint;
  private final MemorySegment bestTable;
  private final List<String> isaNames;
  private final List<String> isas;
  private final String version;
  private final String reason;
  private Optional<MappedFiles> mappedFiles = Optional.empty();

  private NativeLibrary(String name, MemorySegment entryPoint) {
    this.name = name;
    this.entryPoint = entryPoint;
    bestTable = table(Mla.MLA_ISA_AUTO());
    if (bestTable == null) {
      throw new BackendException(
          "library " + name + " has no kernels for ABI version " + Mla.MLA_ABI_VERSION());
    }
    boolean describes = mla_kernels.describe(bestTable).address() != 0;
    if (describes) {
      NativeLayout.read().require(name, describe(Mla.MLA_DESCRIBE_LAYOUT()));
    }
    isaNames =
        describes
            ? List.of(describe(Mla.MLA_DESCRIBE_ISAS()).split(" "))
            : numbers(mla_kernels.supported_isas(bestTable));
    isas = supported(isaNames, mla_kernels.supported_isas(bestTable), mla_kernels.isa(bestTable));
    version = describes ? describe(Mla.MLA_DESCRIBE_VERSION()) : "unknown";
    reason = describes ? describe(Mla.MLA_DESCRIBE_REASON()) : "the library does not say why";
  }

  /**
   * Opens a library file.
   *
   * @throws BackendException where the file cannot be loaded, with the linker's reason, has no
   *     entry point, or does not fit the bindings
   */
  public static NativeLibrary open(Path file) {
    NativeLibrary library = new NativeLibrary(file.toString(), LibraryFile.load(file, ENTRY_POINT));
    library.mappedFiles = MappedFiles.of(file);
    return library;
  }

  /** A library by its entry point. */
  static NativeLibrary of(String name, MemorySegment entryPoint) {
    return new NativeLibrary(name, entryPoint);
  }

  /** Names of the instruction sets of a library that does not tell them. */
  private static List<String> numbers(int supported) {
    return IntStream.rangeClosed(0, 31 - Integer.numberOfLeadingZeros(supported))
        .mapToObj(isa -> isa == Mla.MLA_ISA_GENERIC() ? "generic" : "isa-" + isa)
        .toList();
  }

  /** {@code best} first, then the others whose bit is set, newest first. */
  static List<String> supported(List<String> names, int bits, int best) {
    List<String> found = new ArrayList<>();
    for (int isa = names.size() - 1; isa >= 0; isa--) {
      if (isa == best) {
        found.addFirst(names.get(isa));
      } else if ((bits >> isa & 1) != 0) {
        found.addLast(names.get(isa));
      }
    }
    return List.copyOf(found);
  }

  /** The instruction sets that this processor supports, the automatic choice first. */
  public List<String> isas() {
    return isas;
  }

  /**
   * All instruction sets of the library, those included that this processor lacks, from the oldest
   * to the newest.
   */
  public List<String> isaNames() {
    return isaNames;
  }

  /** Why the first of {@link #isas} is the automatic choice, one line. */
  public String reason() {
    return reason;
  }

  /** The library's watch over mapped files, where it has one. */
  Optional<MappedFiles> mappedFiles() {
    return mappedFiles;
  }

  /** The library's version. */
  public String version() {
    return version;
  }

  /**
   * The kernels for an instruction set, or for the automatic choice where it is null.
   *
   * @throws BackendException where the name is unknown or this processor lacks it
   */
  public NativeKernels kernels(String isa) {
    if (isa == null || isa.equals(isas.getFirst())) {
      return new NativeKernels(isas.getFirst(), bestTable);
    }
    if (!isaNames.contains(isa)) {
      throw new BackendException(
          "isa is " + isa + ", but must be one of " + String.join(", ", isaNames));
    }
    MemorySegment table = isas.contains(isa) ? table(isaNames.indexOf(isa)) : null;
    if (table == null) {
      throw new BackendException(
          "isa is "
              + isa
              + ", but this processor or the library "
              + name
              + " only has "
              + String.join(", ", isas));
    }
    return new NativeKernels(isa, table);
  }

  /** The address of {@code mla_get_kernels}. */
  MemorySegment entryPoint() {
    return entryPoint;
  }

  /** A table that claims to be what the bindings read, or null. */
  private MemorySegment table(int isa) {
    MemorySegment address = mla_get_kernels_fn.invoke(entryPoint, Mla.MLA_ABI_VERSION(), isa);
    if (address.address() == 0) {
      return null;
    }
    MemorySegment table = address.reinterpret(mla_kernels.sizeof());
    int size = mla_kernels.struct_size(table);
    int abi = mla_kernels.abi_version(table);
    if (size != mla_kernels.sizeof() || abi != Mla.MLA_ABI_VERSION()) {
      throw new BackendException(
          "library "
              + name
              + " has a table of "
              + size
              + " bytes and ABI version "
              + abi
              + ", but must have "
              + mla_kernels.sizeof()
              + " and "
              + Mla.MLA_ABI_VERSION());
    }
    return table;
  }

  /** What the library tells about a subject, {@code MLA_DESCRIBE_*}. */
  String describe(int subject) {
    MemorySegment describe = mla_kernels.describe(bestTable);
    return LibraryFile.text(
        name, subject, (text, size) -> mla_kernels.describe.invoke(describe, subject, text, size));
  }
}
