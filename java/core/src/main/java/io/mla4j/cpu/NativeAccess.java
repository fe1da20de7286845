package io.mla4j.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.function.Consumer;

/**
 * What the JVM permits module by module, asking the caller for its permission: each module that has
 * it makes these calls itself.
 */
public interface NativeAccess {
  /** As {@link Linker#downcallHandle}. */
  MethodHandle link(MemorySegment symbol, FunctionDescriptor function);

  /** As {@link MemorySegment#reinterpret(long, Arena, Consumer)}. */
  MemorySegment reinterpret(
      MemorySegment segment, long bytes, Arena arena, Consumer<MemorySegment> cleanup);
}
