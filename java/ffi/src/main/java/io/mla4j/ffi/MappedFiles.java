package io.mla4j.ffi;

import io.mla4j.MappedWatch;
import io.mla4j.ffi.library.LibraryFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The library's watch over memory that is mapped from files: a read of what a file has lost gives
 * zeros instead of the signal that ends the JVM.
 *
 * @param watch {@code mla_watch_mapped}, which takes and gives what calloc does
 * @param unwatch {@code mla_unwatch_mapped}, which takes what free does
 */
record MappedFiles(MemorySegment watch, MemorySegment unwatch) {
  /** Those of a loaded library. */
  static Optional<MappedFiles> of(Path file) {
    return LibraryFile.find(file, "mla_watch_mapped")
        .flatMap(
            watch ->
                LibraryFile.find(file, "mla_unwatch_mapped")
                    .map(unwatch -> new MappedFiles(watch, unwatch)));
  }

  /** Watches what is not empty. */
  MappedWatch over(MemorySegment mapped) {
    MemorySegment flag = NativeMemory.watch(watch, mapped.address(), mapped.byteSize());
    return flag.address() == 0 ? MappedWatch.NONE : new Watch(flag.reinterpret(Integer.BYTES));
  }

  /** A range by its flag. */
  private final class Watch implements MappedWatch {
    private MemorySegment flag;

    private Watch(MemorySegment flag) {
      this.flag = flag;
    }

    @Override
    public synchronized boolean lost() {
      return flag != null && flag.get(ValueLayout.JAVA_INT, 0) != 0;
    }

    @Override
    public synchronized void close() {
      if (flag != null) {
        NativeMemory.unwatch(unwatch, flag);
        flag = null;
      }
    }
  }
}
