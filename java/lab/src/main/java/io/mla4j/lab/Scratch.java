package io.mla4j.lab;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/** A folder that is gone when it is closed, and when the process is ended meanwhile. */
public final class Scratch implements AutoCloseable {
  private static final int ATTEMPTS = 100;

  private final Path folder;
  private final Thread cleaner;

  private Scratch(Path folder) {
    this.folder = folder;
    cleaner = new Thread(() -> remove(folder));
    Runtime.getRuntime().addShutdownHook(cleaner);
  }

  /** A folder that may be there, or may be made. */
  static Scratch of(Path folder) {
    return new Scratch(folder);
  }

  /** A new folder within {@code parent}. */
  public static Scratch in(Path parent) throws IOException {
    return new Scratch(Files.createTempDirectory(parent, ".mla4j-lab"));
  }

  /** The folder. */
  public Path folder() {
    return folder;
  }

  /** Somebody may still be writing to it while the process ends. */
  private static void remove(Path folder) {
    for (int attempt = 1; Files.exists(folder); attempt++) {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.deleteIfExists(file);
        }
      } catch (IOException | UncheckedIOException e) {
        if (attempt == ATTEMPTS) {
          throw new LabException(folder + ": cannot be removed: " + e.getMessage(), e);
        }
      }
    }
  }

  @Override
  public void close() {
    remove(folder);
    try {
      Runtime.getRuntime().removeShutdownHook(cleaner);
    } catch (IllegalStateException e) {
      // the process ends, and the hook does the same
    }
  }
}
