package io.mla4j.extract;

import io.mla4j.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * A place for files of jars.
 *
 * <p>A file appears by an atomic rename after it has reached the disk, so processes that start at
 * the same time, and those after a power loss, see all of it or none.
 *
 * @param path where it is
 * @param keeps whether files stay, by digest; else each start has a folder of its own in it
 */
record Folder(Path path, boolean keeps) {
  private static final String PRIVATE = "mla4j-private-";

  /** No start takes so long between writing a file and having it loaded. */
  private static final Duration ABANDONED = Duration.ofHours(1);

  static Folder kept(Path path) {
    return new Folder(path, true);
  }

  static Folder temporary(Path path) {
    return new Folder(path, false);
  }

  /**
   * Brings files here, or finds them.
   *
   * @param shared whether files that are kept may be those of other processes
   * @throws BackendException where the jar itself is damaged
   */
  Placed place(List<PackedFile> files, boolean shared) throws UnusableFolderException {
    boolean passing = !keeps || !shared;
    Placed placed = null;
    boolean whole = false;
    try {
      Path folder = passing ? newPrivate() : path.resolve(files.getLast().digest().name());
      placed = new Placed(folder.resolve(files.getLast().name()), passing);
      for (PackedFile file : files) {
        place(file, folder);
      }
      whole = true;
      return placed;
    } catch (NotExecutableException e) {
      throw new UnusableFolderException(path, "is mounted noexec");
    } catch (IOException e) {
      throw new UnusableFolderException(path, e);
    } finally {
      if (!whole && placed != null) {
        placed.close();
      }
    }
  }

  private Path newPrivate() throws IOException {
    if (keeps) {
      Files.createDirectories(path);
    }
    removeAbandoned(path, PRIVATE + "*");
    return Files.createTempDirectory(path, PRIVATE);
  }

  private static void place(PackedFile packed, Path folder) throws IOException {
    Path file = folder.resolve(packed.name());
    if (!packed.digest().holds(file)) {
      write(packed, file);
    }
    requireExecutable(file);
  }

  private static void write(PackedFile packed, Path file) throws IOException {
    Path folder = Files.createDirectories(file.getParent());
    removeAbandoned(folder, "*.part");
    Path part = Files.createTempFile(folder, packed.name() + ".", ".part");
    try {
      requireExecutable(part);
      try (InputStream in = packed.content().open()) {
        if (in == null) {
          throw new BackendException("the jar has the digest of " + packed.name() + " but not it");
        }
        Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
      }
      requireExecutable(part);
      if (!packed.digest().holds(part)) {
        throw new BackendException(
            "the library "
                + packed.name()
                + " is damaged in its jar: its digest is not "
                + packed.digest().name());
      }
      try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
        channel.force(true);
      }
      try {
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        // Where open files cannot be replaced, another process may have put the same one there.
        if (!packed.digest().holds(file)) {
          throw e;
        }
      }
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** The system denies execution of whatever lies on a file system that is mounted noexec. */
  private static void requireExecutable(Path file) throws IOException {
    if (Files.isExecutable(file)) {
      return;
    }
    try {
      // Also readable by the others that a given folder may be for.
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    } catch (UnsupportedOperationException e) {
      return;
    } catch (IOException e) {
      // Somebody else's file.
    }
    if (!Files.isExecutable(file)) {
      throw new NotExecutableException();
    }
  }

  /** Removes what starts that were killed have left, as far as that goes. */
  private static void removeAbandoned(Path folder, String pattern) {
    Instant limit = Instant.now().minus(ABANDONED);
    try (DirectoryStream<Path> left = Files.newDirectoryStream(folder, pattern)) {
      for (Path path : left) {
        if (!Files.getLastModifiedTime(path).toInstant().isBefore(limit)) {
          continue;
        }
        if (Files.isDirectory(path)) {
          Placed.remove(path);
        } else {
          Files.deleteIfExists(path);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      // Somebody else's, or another process was quicker.
    }
  }

  private static final class NotExecutableException extends IOException {
    private static final long serialVersionUID = 1L;
  }
}
