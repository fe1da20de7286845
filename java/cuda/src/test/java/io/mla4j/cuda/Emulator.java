package io.mla4j.cuda;

import static org.junit.jupiter.api.Assumptions.abort;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The controls of the emulated CUDA device, native/tests/cuda_emulator/control.h: faults that it
 * can be given, and what it counts. They are the process's.
 */
public final class Emulator {
  private static final String PREFIX = "mla_emulator_";
  private static final FunctionDescriptor OF_NOTHING = FunctionDescriptor.ofVoid();
  private static final FunctionDescriptor OF_NUMBER =
      FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG);
  private static final FunctionDescriptor OF_POINTER =
      FunctionDescriptor.ofVoid(ValueLayout.ADDRESS);
  private static final FunctionDescriptor OF_TEXT =
      FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);

  private final SymbolLookup library;

  private Emulator(SymbolLookup library) {
    this.library = library;
  }

  /** That of {@link CudaTestLibrary}; the test is skipped where the library is no emulated one. */
  public static Emulator get() {
    if (!CudaTestLibrary.isEmulated()) {
      abort(CudaTestLibrary.file() + " is not emulated, but this test steers the device");
    }
    return new Emulator(SymbolLookup.libraryLookup(CudaTestLibrary.file(), Arena.global()));
  }

  /**
   * What the device counted.
   *
   * @param allocations made so far, on the device and pinned
   * @param launches of kernels, made so far
   * @param liveAllocations not yet freed
   * @param liveHandles streams and events not yet destroyed
   */
  public record Counters(long allocations, long launches, long liveAllocations, long liveHandles) {
    /** Whether nothing was leaked since {@code before}. */
    public boolean holdsWhat(Counters before) {
      return liveAllocations == before.liveAllocations && liveHandles == before.liveHandles;
    }
  }

  /** The counts now. */
  public Counters counters() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment c = arena.allocate(ValueLayout.JAVA_LONG, 4);
      function("counters", OF_POINTER).invokeExact(c);
      return new Counters(
          c.getAtIndex(ValueLayout.JAVA_LONG, 0),
          c.getAtIndex(ValueLayout.JAVA_LONG, 1),
          c.getAtIndex(ValueLayout.JAVA_LONG, 2),
          c.getAtIndex(ValueLayout.JAVA_LONG, 3));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** The allocation fails that comes after {@code count} others. */
  public void failAllocation(long count) {
    call("fail_allocation", count);
  }

  /** The launch fails that comes after {@code count} others. */
  public void failLaunch(long count) {
    call("fail_launch", count);
  }

  /** Everything fails from the launch on that comes after {@code count} others. */
  public void loseDeviceAt(long count) {
    call("lose_device_at", count);
  }

  /** The bytes of device memory, 8 GiB at first. */
  public void setMemoryLimit(long bytes) {
    call("set_memory_limit", bytes);
  }

  /** The order of blocks, threads and streams. */
  public void setSeed(long seed) {
    call("set_seed", seed);
  }

  /** Everything fails from now on. */
  public void loseDevice() {
    call("lose_device");
  }

  /** Forgets errors and faults, and the memory limit. */
  public void reset() {
    call("reset");
    setMemoryLimit(8L << 30);
  }

  /** What was found wrong since the last call, a line each; they are forgotten. */
  public String takeReports() {
    try (Arena arena = Arena.ofConfined()) {
      MethodHandle take = function("take_reports", OF_TEXT);
      long length = (long) take.invokeExact(MemorySegment.NULL, 0L);
      MemorySegment text = arena.allocate(length + 1);
      length = (long) take.invokeExact(text, length + 1);
      return text.getString(0);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private void call(String name) {
    try {
      function(name, OF_NOTHING).invokeExact();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private void call(String name, long number) {
    try {
      function(name, OF_NUMBER).invokeExact(number);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private MethodHandle function(String name, FunctionDescriptor descriptor) {
    return Linker.nativeLinker().downcallHandle(library.findOrThrow(PREFIX + name), descriptor);
  }
}
