package io.mla4j.ffi;

import io.mla4j.cpu.NativeAccess;
import io.mla4j.cpu.SystemMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.function.Consumer;

/** The C library's memory by this module's permission, and calls that look like its own. */
final class NativeMemory {
  private static final Linker LINKER = Linker.nativeLinker();

  /** Memory of the native backend. */
  static final SystemMemory SYSTEM = new SystemMemory(new Access());

  private NativeMemory() {}

  /** Calls of this module. */
  private static final class Access implements NativeAccess {
    @Override
    public MethodHandle link(MemorySegment symbol, FunctionDescriptor function) {
      return LINKER.downcallHandle(symbol, function);
    }

    @Override
    public MemorySegment reinterpret(
        MemorySegment segment, long bytes, Arena arena, Consumer<MemorySegment> cleanup) {
      return segment.reinterpret(bytes, arena, cleanup);
    }
  }

  /** Calls {@code mla_watch_mapped}; a signature that is linked already costs a start nothing. */
  static MemorySegment watch(MemorySegment function, long address, long bytes) {
    try {
      return (MemorySegment)
          LINKER.downcallHandle(function, SystemMemory.LIKE_CALLOC).invokeExact(address, bytes);
    } catch (Throwable e) {
      throw new AssertionError("mla_watch_mapped throws nothing", e);
    }
  }

  /** Calls {@code mla_unwatch_mapped}. */
  static void unwatch(MemorySegment function, MemorySegment flag) {
    try {
      LINKER.downcallHandle(function, SystemMemory.LIKE_FREE).invokeExact(flag);
    } catch (Throwable e) {
      throw new AssertionError("mla_unwatch_mapped throws nothing", e);
    }
  }
}
