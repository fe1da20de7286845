package io.mla4j.ffi;

import io.mla4j.BackendException;
import java.lang.foreign.MemorySegment;

/**
 * A table of the library, {@code mla_kernels}, which outlives this object.
 *
 * @param isa its instruction set by name
 */
record NativeTable(String isa, MemorySegment segment) {
  /**
   * A function of the table.
   *
   * @throws BackendException where the library lacks it: its entry is NULL
   */
  MemorySegment function(String name, MemorySegment function) {
    if (function.address() == 0) {
      throw new BackendException("the library's kernels for " + isa + " have no function " + name);
    }
    return function;
  }
}
