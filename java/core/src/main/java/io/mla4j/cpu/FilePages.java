package io.mla4j.cpu;

import io.mla4j.Mla4jException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * What Linux does with the pages of a mapped file: madvise(2), mincore(2), mlock(2) and munlock(2).
 * Any thread may call this.
 *
 * <p>Advice takes plain addresses: a mapping that was closed meanwhile makes it an error that
 * nobody looks at, and advice on another one changes no result.
 */
final class FilePages {
  private static final int WILL_NEED = 3;

  private static final FunctionDescriptor ADVISE =
      FunctionDescriptor.of(
          ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT);
  private static final FunctionDescriptor LOOK =
      FunctionDescriptor.of(
          ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS);
  private static final FunctionDescriptor NUMBER = FunctionDescriptor.of(ValueLayout.JAVA_INT);

  private static final class Linked {
    static final Optional<FilePages> SYSTEM = link();

    // Without the permission the first call would print a warning, which nobody asked for.
    private static Optional<FilePages> link() {
      if (!FilePages.class.getModule().isNativeAccessEnabled()
          || !System.getProperty("os.name").equals("Linux")) {
        return Optional.empty();
      }
      try {
        return Optional.of(new FilePages(Linker.nativeLinker()));
      } catch (NoSuchElementException | UnsupportedOperationException e) {
        return Optional.empty();
      }
    }
  }

  /** What few ask for, linked when the first one does. */
  private static final class Locking {
    static final StructLayout STATE = Linker.Option.captureStateLayout();
    static final VarHandle ERRNO = STATE.varHandle(PathElement.groupElement("errno"));
    static final FunctionDescriptor LOCK =
        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
    static final MethodHandle MLOCK = link("mlock", Linker.Option.captureCallState("errno"));
    static final MethodHandle MUNLOCK = link("munlock");

    private static MethodHandle link(String name, Linker.Option... options) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), LOCK, options);
    }
  }

  private final MethodHandle madvise;
  private final MethodHandle mincore;
  private final long pageBytes;

  private FilePages(Linker linker) {
    SymbolLookup system = linker.defaultLookup();
    madvise = linker.downcallHandle(system.findOrThrow("madvise"), ADVISE);
    mincore = linker.downcallHandle(system.findOrThrow("mincore"), LOOK);
    try {
      pageBytes =
          (int) linker.downcallHandle(system.findOrThrow("getpagesize"), NUMBER).invokeExact();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * The system's functions, linked at the first call; empty where it has none, or where native
   * access is not enabled for this module.
   */
  static Optional<FilePages> ofSystem() {
    return Linked.SYSTEM;
  }

  /** Bytes of a page. */
  long pageBytes() {
    return pageBytes;
  }

  /** Has pages read from the file by and by, from the first to the last. Does not wait for them. */
  void willNeed(long address, long bytes) {
    long start = address & -pageBytes;
    try {
      int _ = (int) madvise.invokeExact(start, address + bytes - start, WILL_NEED);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Whether the page at an address is in memory. True also where the system does not tell: it does
   * to those alone who own the file or may write to it.
   *
   * @param flag one byte to work with
   */
  boolean isResident(long address, MemorySegment flag) {
    try {
      return (int) mincore.invokeExact(address & -pageBytes, pageBytes, flag) != 0
          || (flag.get(ValueLayout.JAVA_BYTE, 0) & 1) != 0;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Reads a segment's pages and keeps them in memory until {@link #unlock}, or until it is
   * unmapped.
   *
   * @throws Mla4jException where the system refuses, with its limit
   */
  void lock(MemorySegment segment) {
    int error;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(Locking.STATE);
      if ((int) Locking.MLOCK.invokeExact(state, segment, segment.byteSize()) == 0) {
        return;
      }
      error = (int) Locking.ERRNO.get(state, 0L);
    } catch (Throwable e) {
      throw unexpected(e);
    }
    throw new Mla4jException(
        "the system refused to keep "
            + segment.byteSize()
            + " bytes more in memory (errno "
            + error
            + "); "
            + limit());
  }

  /** Lets the pages of a segment go again. */
  void unlock(MemorySegment segment) {
    try {
      int _ = (int) Locking.MUNLOCK.invokeExact(segment, segment.byteSize());
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static String limit() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
        if (line.startsWith("Max locked memory")) {
          String soft = line.substring("Max locked memory".length()).strip().split(" ")[0];
          return "RLIMIT_MEMLOCK is " + soft + " bytes: raise it with ulimit -l";
        }
      }
    } catch (IOException e) {
      // There is no better word.
    }
    return "ulimit -l shows and raises the limit";
  }

  private static AssertionError unexpected(Throwable e) {
    if (e instanceof VirtualMachineError error) {
      throw error;
    }
    return new AssertionError("a function of the C library throws nothing", e);
  }
}
