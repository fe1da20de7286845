package io.mla4j.cuda;

import io.mla4j.BackendException;
import io.mla4j.ffi.NativeLayout;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_device_kernels;
import io.mla4j.ffi.abi.mla_get_device_kernels_fn;
import io.mla4j.ffi.library.LibraryFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A library with {@code mla_device_kernels}, opened, checked against the bindings, and kept until
 * the process ends. Thread-safe.
 */
final class CudaLibrary {
  private static final String ENTRY_POINT = "mla_get_device_kernels";

  private final MemorySegment table;
  private final String version;

  private CudaLibrary(MemorySegment table, String version) {
    this.table = table;
    this.version = version;
  }

  /**
   * Opens a library file. It needs no driver.
   *
   * @throws BackendException where the file cannot be loaded, with the linker's reason, has no
   *     entry point, or does not fit the bindings
   */
  static CudaLibrary open(Path file) {
    MemorySegment entryPoint = LibraryFile.load(file, ENTRY_POINT);
    MemorySegment address = mla_get_device_kernels_fn.invoke(entryPoint, Mla.MLA_ABI_VERSION());
    if (address.address() == 0) {
      throw new BackendException(
          "library " + file + " has no device kernels for ABI version " + Mla.MLA_ABI_VERSION());
    }
    MemorySegment table = address.reinterpret(mla_device_kernels.sizeof());
    // describe comes first in every version, so that the layout can be asked for.
    NativeLayout.read()
        .require(file.toString(), describe(file.toString(), table, Mla.MLA_DESCRIBE_LAYOUT()));
    return new CudaLibrary(table, describe(file.toString(), table, Mla.MLA_DESCRIBE_VERSION()));
  }

  private static String describe(String name, MemorySegment table, int subject) {
    MemorySegment describe = mla_device_kernels.describe(table);
    return LibraryFile.text(
        name,
        subject,
        (text, size) -> mla_device_kernels.describe.invoke(describe, subject, text, size));
  }

  /** The library's version. */
  String version() {
    return version;
  }

  /** Its {@code mla_device_kernels}. */
  MemorySegment table() {
    return table;
  }
}
