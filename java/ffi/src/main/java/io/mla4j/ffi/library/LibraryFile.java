package io.mla4j.ffi.library;

import io.mla4j.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/** Loading a library and asking it for texts, the same for all kinds of them. */
public final class LibraryFile {
  private static final byte[] ELF = {0x7f, 'E', 'L', 'F'};

  private LibraryFile() {}

  /**
   * Loads a library until the process ends.
   *
   * @return the function {@code entryPoint}
   * @throws BackendException where the file cannot be loaded, with the linker's reason, or lacks
   *     the function
   */
  public static MemorySegment load(Path file, String entryPoint) {
    if (!Files.isRegularFile(file)) {
      throw new BackendException("library " + file + " is not a file");
    }
    requireElf(file);
    SymbolLookup lookup;
    try {
      // The arena that never closes: kernels of the library may be in use anywhere.
      lookup = SymbolLookup.libraryLookup(file.toAbsolutePath(), Arena.global());
    } catch (IllegalArgumentException e) {
      throw new BackendException("library " + file + " cannot be loaded: " + whyNot(file, e), e);
    }
    return lookup
        .find(entryPoint)
        .orElseThrow(
            () -> new BackendException("library " + file + " has no function " + entryPoint));
  }

  /** A function of a library that {@link #load} has loaded, where it has it. */
  public static Optional<MemorySegment> find(Path file, String function) {
    return SymbolLookup.libraryLookup(file.toAbsolutePath(), Arena.global()).find(function);
  }

  /** The JVM warns on stderr when it is given another file on Linux, before it refuses it. */
  private static void requireElf(Path file) {
    if (!System.getProperty("os.name").equals("Linux")) {
      return;
    }
    try (InputStream in = Files.newInputStream(file)) {
      if (!Arrays.equals(in.readNBytes(ELF.length), ELF)) {
        throw new BackendException("library " + file + " is not an ELF file");
      }
    } catch (IOException e) {
      throw new BackendException("library " + file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * A lookup says only that it failed; the JVM's own loading names the missing dependency or the
   * wrong format.
   */
  private static String whyNot(Path file, IllegalArgumentException failure) {
    try {
      System.load(file.toAbsolutePath().toString());
    } catch (UnsatisfiedLinkError e) {
      return e.getMessage();
    }
    return failure.getMessage();
  }

  /** A function that writes a text, truncated to a size, and returns its full length. */
  @FunctionalInterface
  public interface Describe {
    int write(MemorySegment text, int size);
  }

  /** What a library tells about a subject, {@code MLA_DESCRIBE_*}. */
  public static String text(String library, int subject, Describe describe) {
    int length = describe.write(MemorySegment.NULL, 0);
    if (length < 0) {
      throw new BackendException("library " + library + " says nothing about subject " + subject);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(length + 1L);
      describe.write(text, length + 1);
      return text.getString(0);
    }
  }
}
