package io.mla4j.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.BitSet;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * The processors that each thread may run on: gettid(2), sched_getcpu(3), sched_getaffinity(2) and
 * sched_setaffinity(2) of Linux. Threads are named by their number there. Any thread may call this.
 */
public final class Affinity {
  /**
   * A mask of the C library: bit p for processor p. Its bytes are in the order of a {@link BitSet}
   * too, for the machines that mla4j runs on are little-endian.
   */
  static final int MASK_BYTES = 128;

  private static final FunctionDescriptor NUMBER = FunctionDescriptor.of(ValueLayout.JAVA_INT);
  private static final FunctionDescriptor OF_THREAD =
      FunctionDescriptor.of(
          ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS);

  private static final class Linked {
    static final Optional<Affinity> SYSTEM = link();

    // Without the permission the first call would print a warning, which nobody asked for.
    private static Optional<Affinity> link() {
      if (!Affinity.class.getModule().isNativeAccessEnabled()) {
        return Optional.empty();
      }
      try {
        return Optional.of(new Affinity(Linker.nativeLinker()));
      } catch (NoSuchElementException | UnsupportedOperationException e) {
        return Optional.empty();
      }
    }
  }

  private final MethodHandle gettid;
  private final MethodHandle getcpu;
  private final MethodHandle getaffinity;
  private final MethodHandle setaffinity;

  private Affinity(Linker linker) {
    SymbolLookup system = linker.defaultLookup();
    gettid = linker.downcallHandle(system.findOrThrow("gettid"), NUMBER);
    getcpu = linker.downcallHandle(system.findOrThrow("sched_getcpu"), NUMBER);
    getaffinity = linker.downcallHandle(system.findOrThrow("sched_getaffinity"), OF_THREAD);
    setaffinity = linker.downcallHandle(system.findOrThrow("sched_setaffinity"), OF_THREAD);
  }

  /**
   * The system's functions, linked at the first call; empty where it has none, or where native
   * access is not enabled for this module.
   */
  public static Optional<Affinity> ofSystem() {
    return Linked.SYSTEM;
  }

  /** The calling thread's number. */
  public int thread() {
    return number(gettid);
  }

  /** The processor that the calling thread is on; it may be another one right after. */
  public int processor() {
    return number(getcpu);
  }

  /** The processors that a thread may run on; none where the system does not tell. */
  public BitSet processors(int thread) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment mask = arena.allocate(MASK_BYTES, Long.BYTES);
      return processors(thread, mask) ? BitSet.valueOf(mask.asByteBuffer()) : new BitSet();
    }
  }

  /**
   * Lets a thread run on some processors only.
   *
   * @return false where the system refuses: no such thread, or no such processor for it
   */
  public boolean setProcessors(int thread, BitSet processors) {
    byte[] bits = processors.toByteArray();
    if (bits.length > MASK_BYTES) {
      return false;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment mask = arena.allocate(MASK_BYTES, Long.BYTES);
      MemorySegment.copy(bits, 0, mask, ValueLayout.JAVA_BYTE, 0, bits.length);
      return setProcessors(thread, mask);
    }
  }

  /** Writes the processors that a thread may run on to a mask; false where the system refuses. */
  boolean processors(int thread, MemorySegment mask) {
    return masked(getaffinity, thread, mask);
  }

  /** As {@link #setProcessors(int, BitSet)}, with a mask. */
  boolean setProcessors(int thread, MemorySegment mask) {
    return masked(setaffinity, thread, mask);
  }

  private static boolean masked(MethodHandle function, int thread, MemorySegment mask) {
    try {
      return (int) function.invokeExact(thread, (long) MASK_BYTES, mask) == 0;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static int number(MethodHandle function) {
    try {
      return (int) function.invokeExact();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static AssertionError unexpected(Throwable e) {
    if (e instanceof VirtualMachineError error) {
      throw error;
    }
    return new AssertionError("a function of the C library throws nothing", e);
  }
}
