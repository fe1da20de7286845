package io.mla4j.extract;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/**
 * A library on disk.
 *
 * @param library its file
 * @param passing whether its folder goes when this is closed. Unix keeps a file that is in use
 *     without its name, so nothing is left even of a process that is killed; where it may not be
 *     removed while in use, a later start does it.
 */
record Placed(Path library, boolean passing) implements AutoCloseable {
  @Override
  public void close() {
    if (passing) {
      remove(Objects.requireNonNull(library.getParent(), "a library lies in a folder"));
    }
  }

  /** Removes a folder of files, as far as that goes. */
  static void remove(Path folder) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        Files.deleteIfExists(file);
      }
      Files.deleteIfExists(folder);
    } catch (IOException | DirectoryIteratorException e) {
      // In use on Windows, or somebody else's.
    }
  }
}
