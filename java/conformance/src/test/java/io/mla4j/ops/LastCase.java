package io.mla4j.ops;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/**
 * The case that runs, in a mapped file: it can be read after a kernel ran into a guard page and
 * took the process with it.
 */
final class LastCase {
  private static final int SIZE = 1024;
  private static final MemorySegment FILE = map();

  private LastCase() {}

  static void note(String text) {
    byte[] line = Arrays.copyOf(text.getBytes(StandardCharsets.UTF_8), SIZE);
    MemorySegment.copy(MemorySegment.ofArray(line), 0, FILE, 0, SIZE);
  }

  private static MemorySegment map() {
    Path file = Path.of("target", "last-case.txt").toAbsolutePath();
    try (FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return channel.map(FileChannel.MapMode.READ_WRITE, 0, SIZE, Arena.global());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
