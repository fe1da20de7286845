package io.mla4j.cpu;

import io.mla4j.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the C library: zeroed, committed page by page when it is first touched, on huge pages
 * where the system has them.
 *
 * <p>{@link Arena#allocate} zeroes everything at once instead: seconds for gigabytes of cache of
 * which little may ever be used.
 */
public final class SystemMemory implements CpuDevice.Allocator {
  private static final long ALIGNMENT = 64;
  private static final long HUGE_PAGE = 2L << 20;

  /** Of pages that are not huge, on any processor: a multiple of each. */
  private static final long LARGEST_PAGE = 64L << 10;

  private static final int MADV_DONTNEED = 4;
  private static final int MADV_HUGEPAGE = 14;
  private static final int MADV_NOHUGEPAGE = 15;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MemoryLayout SIZE =
      Objects.requireNonNull(LINKER.canonicalLayouts().get("size_t"));

  /** {@code void *calloc(size_t, size_t)}. */
  public static final FunctionDescriptor LIKE_CALLOC =
      FunctionDescriptor.of(ValueLayout.ADDRESS, SIZE, SIZE);

  /** {@code void free(void *)}. */
  public static final FunctionDescriptor LIKE_FREE = FunctionDescriptor.ofVoid(ValueLayout.ADDRESS);

  private static final FunctionDescriptor LIKE_MADVISE =
      FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, SIZE, ValueLayout.JAVA_INT);
  private static final FunctionDescriptor LIKE_GETPAGESIZE =
      FunctionDescriptor.of(ValueLayout.JAVA_INT);

  /** Of this module, where native access is enabled for it. */
  private static final class Own {
    static final CpuDevice.Allocator ALLOCATOR = make();

    // Without the permission the first call would print a warning, which nobody asked for.
    private static CpuDevice.Allocator make() {
      if (!SystemMemory.class.getModule().isNativeAccessEnabled()) {
        return CpuDevice.ARENA_ALLOCATOR;
      }
      return new SystemMemory(
          new NativeAccess() {
            @Override
            public MethodHandle link(MemorySegment symbol, FunctionDescriptor function) {
              return LINKER.downcallHandle(symbol, function);
            }

            @Override
            public MemorySegment reinterpret(
                MemorySegment segment, long bytes, Arena arena, Consumer<MemorySegment> cleanup) {
              return segment.reinterpret(bytes, arena, cleanup);
            }
          });
    }
  }

  private final NativeAccess access;
  private final MethodHandle calloc;
  private final MethodHandle free;
  // What is below is linked when it is first needed: each takes milliseconds.
  private @Nullable Optional<MethodHandle> madvise;
  private long page;

  /** By the permission of the module that gives it. */
  public SystemMemory(NativeAccess access) {
    this.access = access;
    calloc = find(access, "calloc", LIKE_CALLOC).orElseThrow();
    free = find(access, "free", LIKE_FREE).orElseThrow();
  }

  /**
   * Memory of the C library where native access is enabled for {@code io.mla4j.core}, else {@link
   * CpuDevice#ARENA_ALLOCATOR}.
   */
  public static CpuDevice.Allocator ifPermitted() {
    return Own.ALLOCATOR;
  }

  private static Optional<MethodHandle> find(
      NativeAccess access, String name, FunctionDescriptor function) {
    return LINKER.defaultLookup().find(name).map(symbol -> access.link(symbol, function));
  }

  /** Empty where the system takes no such advice. */
  private synchronized Optional<MethodHandle> madvise() {
    Optional<MethodHandle> known = madvise;
    if (known == null) {
      known =
          System.getProperty("os.name").equals("Linux")
              ? find(access, "madvise", LIKE_MADVISE)
              : Optional.empty();
      madvise = known;
    }
    return known;
  }

  private synchronized long page() {
    if (page == 0) {
      try {
        page = (int) find(access, "getpagesize", LIKE_GETPAGESIZE).orElseThrow().invokeExact();
      } catch (Throwable e) {
        throw new AssertionError("getpagesize throws nothing", e);
      }
    }
    return page;
  }

  /**
   * {@code bytes} zeroed bytes, aligned to 64, freed when {@code arena} closes.
   *
   * @throws BackendException where the system has not so much memory
   */
  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    boolean huge = bytes >= 2 * HUGE_PAGE && madvise().isPresent();
    long alignment = huge ? HUGE_PAGE : ALIGNMENT;
    long total = bytes + alignment;
    MemorySegment address = total < 0 ? MemorySegment.NULL : calloc(total);
    if (address.address() == 0) {
      throw new BackendException("the system refused " + bytes + " bytes of memory");
    }
    MemorySegment all;
    try {
      all = access.reinterpret(address, total, arena, this::free);
    } catch (RuntimeException e) {
      free(address);
      throw e;
    }
    MemorySegment aligned = all.asSlice(-address.address() & alignment - 1, bytes);
    if (huge) {
      advise(aligned, MADV_HUGEPAGE, LARGEST_PAGE);
    }
    return aligned;
  }

  private MemorySegment calloc(long bytes) {
    try {
      return (MemorySegment) calloc.invokeExact(1L, bytes);
    } catch (Throwable e) {
      throw new AssertionError("calloc throws nothing", e);
    }
  }

  private void free(MemorySegment address) {
    try {
      free.invokeExact(address);
    } catch (Throwable e) {
      throw new AssertionError("free throws nothing", e);
    }
  }

  /** Has memory of {@link #allocate} lie on small pages; false where there is no such advice. */
  @Override
  public boolean commitOnTouch(MemorySegment segment) {
    return advise(segment, MADV_NOHUGEPAGE, page());
  }

  /**
   * Takes the whole pages of memory of {@link #allocate} away, which are zero from then on; false
   * where the system does not take it.
   */
  @Override
  public boolean giveBack(MemorySegment segment) {
    return advise(segment, MADV_DONTNEED, page());
  }

  /** Advice only, for whole pages: a system that does not take it goes on as it was. */
  private boolean advise(MemorySegment segment, int what, long page) {
    Optional<MethodHandle> to = madvise();
    if (to.isEmpty()) {
      return false;
    }
    long skipped = -segment.address() & page - 1;
    long bytes = (segment.byteSize() - skipped) & -page;
    if (bytes <= 0) {
      return true;
    }
    try {
      return (int) to.get().invokeExact(segment.asSlice(skipped, bytes), bytes, what) == 0;
    } catch (Throwable e) {
      throw new AssertionError("madvise throws nothing", e);
    }
  }
}
