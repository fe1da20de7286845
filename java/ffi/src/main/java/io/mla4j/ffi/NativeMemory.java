package io.mla4j.ffi;

import io.mla4j.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Memory of the C library: zeroed, committed page by page when it is first touched, on huge pages
 * where the system has them.
 *
 * <p>{@link Arena#allocate} zeroes everything at once instead: seconds for gigabytes of cache of
 * which little may ever be used.
 */
final class NativeMemory {
  private static final long ALIGNMENT = 64;
  private static final long HUGE_PAGE = 2L << 20;
  private static final int MADV_DONTNEED = 4;
  private static final int MADV_HUGEPAGE = 14;
  private static final int MADV_NOHUGEPAGE = 15;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MemoryLayout SIZE = LINKER.canonicalLayouts().get("size_t");
  private static final FunctionDescriptor LIKE_CALLOC =
      FunctionDescriptor.of(ValueLayout.ADDRESS, SIZE, SIZE);
  private static final FunctionDescriptor LIKE_FREE =
      FunctionDescriptor.ofVoid(ValueLayout.ADDRESS);
  private static final MethodHandle CALLOC = handle("calloc", LIKE_CALLOC).orElseThrow();
  private static final MethodHandle FREE = handle("free", LIKE_FREE).orElseThrow();

  /** Linked when it is first needed. */
  private static final class Advice {
    static final Optional<MethodHandle> MADVISE =
        System.getProperty("os.name").equals("Linux")
            ? handle(
                "madvise",
                FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.ADDRESS, SIZE, ValueLayout.JAVA_INT))
            : Optional.empty();

    /** Bytes of a page. */
    static final long PAGE = pageSize();

    private static long pageSize() {
      try {
        return (int)
            handle("getpagesize", FunctionDescriptor.of(ValueLayout.JAVA_INT))
                .orElseThrow()
                .invokeExact();
      } catch (Throwable e) {
        throw new AssertionError("getpagesize throws nothing", e);
      }
    }
  }

  private NativeMemory() {}

  /**
   * {@code bytes} zeroed bytes, aligned to 64, freed when {@code arena} closes.
   *
   * @throws BackendException where the system has not so much memory
   */
  static MemorySegment allocate(long bytes, Arena arena) {
    boolean huge = bytes >= 2 * HUGE_PAGE && Advice.MADVISE.isPresent();
    long alignment = huge ? HUGE_PAGE : ALIGNMENT;
    long total = bytes + alignment;
    MemorySegment address = total < 0 ? MemorySegment.NULL : calloc(total);
    if (address.address() == 0) {
      throw new BackendException(
          "the system refused " + bytes + " bytes of memory to the native backend");
    }
    MemorySegment all;
    try {
      all = address.reinterpret(total, arena, NativeMemory::free);
    } catch (RuntimeException e) {
      free(address);
      throw e;
    }
    MemorySegment aligned = all.asSlice(-address.address() & alignment - 1, bytes);
    if (huge) {
      advise(aligned, MADV_HUGEPAGE);
    }
    return aligned;
  }

  private static MemorySegment calloc(long bytes) {
    try {
      return (MemorySegment) CALLOC.invokeExact(1L, bytes);
    } catch (Throwable e) {
      throw new AssertionError("calloc throws nothing", e);
    }
  }

  private static void free(MemorySegment address) {
    try {
      FREE.invokeExact(address);
    } catch (Throwable e) {
      throw new AssertionError("free throws nothing", e);
    }
  }

  /** Calls {@code mla_watch_mapped}; a signature that is linked already costs a start nothing. */
  static MemorySegment watch(MemorySegment function, long address, long bytes) {
    try {
      return (MemorySegment)
          LINKER.downcallHandle(function, LIKE_CALLOC).invokeExact(address, bytes);
    } catch (Throwable e) {
      throw new AssertionError("mla_watch_mapped throws nothing", e);
    }
  }

  /** Calls {@code mla_unwatch_mapped}. */
  static void unwatch(MemorySegment function, MemorySegment flag) {
    try {
      LINKER.downcallHandle(function, LIKE_FREE).invokeExact(flag);
    } catch (Throwable e) {
      throw new AssertionError("mla_unwatch_mapped throws nothing", e);
    }
  }

  /** Has memory of {@link #allocate} lie on small pages; false where there is no such advice. */
  static boolean commitOnTouch(MemorySegment segment) {
    return advise(segment, MADV_NOHUGEPAGE);
  }

  /**
   * Takes the whole pages of memory of {@link #allocate} away, which are zero from then on; false
   * where the system does not take it.
   */
  static boolean giveBack(MemorySegment segment) {
    return advise(segment, MADV_DONTNEED);
  }

  /** Advice only: a system that does not take it goes on as it was. */
  private static boolean advise(MemorySegment segment, int advice) {
    if (Advice.MADVISE.isEmpty()) {
      return false;
    }
    long skipped = -segment.address() & Advice.PAGE - 1;
    long bytes = (segment.byteSize() - skipped) & -Advice.PAGE;
    if (bytes <= 0) {
      return true;
    }
    try {
      return (int) Advice.MADVISE.get().invokeExact(segment.asSlice(skipped, bytes), bytes, advice)
          == 0;
    } catch (Throwable e) {
      throw new AssertionError("madvise throws nothing", e);
    }
  }

  private static Optional<MethodHandle> handle(String name, FunctionDescriptor descriptor) {
    return LINKER
        .defaultLookup()
        .find(name)
        .map(symbol -> LINKER.downcallHandle(symbol, descriptor));
  }
}
