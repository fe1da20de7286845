package io.mla4j.ffi;

import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_get_kernels_fn;
import io.mla4j.ffi.abi.mla_kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A table of kernels in Java: what the library would be called with, and what happens when it
 * misbehaves.
 */
final class FakeTable {
  final MemorySegment table;
  private final Arena arena;

  FakeTable(Arena arena) {
    this.arena = arena;
    table = mla_kernels.allocate(arena);
    mla_kernels.struct_size(table, (int) mla_kernels.sizeof());
    mla_kernels.abi_version(table, Mla.MLA_ABI_VERSION());
    mla_kernels.supported_isas(table, 1);
    describe(NativeLayout.read().text());
  }

  void describe(String layout) {
    mla_kernels.describe.Function function =
        (subject, text, size) -> {
          String told =
              subject == Mla.MLA_DESCRIBE_LAYOUT()
                  ? layout
                  : subject == Mla.MLA_DESCRIBE_ISAS() ? "generic avx2" : "subject " + subject;
          if (size > told.length()) {
            text.setString(0, told);
          }
          return told.length();
        };
    mla_kernels.describe(table, mla_kernels.describe.allocate(function, arena));
  }

  /** The entry point of a library with this table. */
  MemorySegment entryPoint() {
    return mla_get_kernels_fn.allocate((_, _) -> table, arena);
  }

  NativeKernels kernels() {
    return new NativeKernels("fake", table);
  }
}
