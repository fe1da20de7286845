package io.mla4j.checkpoint;

import io.mla4j.Mla4jException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A file that a user named for results. Links are followed. A regular file gets its new content at
 * once: written beside it, with its permissions and, where the system allows it, its owner, then
 * renamed; so a full disk leaves the old one, and a reader never sees half of one. Into a pipe or a
 * device the content goes directly.
 */
public final class OutputFile {
  /** Linux' own limit. */
  private static final int MAX_LINKS = 40;

  private final Path named;
  private final Path target;

  /** Writes the content. */
  @FunctionalInterface
  public interface Content {
    /** Writes all of it; the channel is closed afterwards. */
    void writeTo(WritableByteChannel channel) throws IOException;
  }

  private OutputFile(Path named) {
    this.named = named;
    this.target = withoutLinks(named);
  }

  /**
   * Before something is computed, which may take long.
   *
   * @throws Mla4jException where it is plain that the file cannot be written
   */
  public static void check(Path file) {
    new OutputFile(file).check();
  }

  /**
   * Writes a file, in place of what it had.
   *
   * @throws Mla4jException naming the file where it cannot be written
   */
  public static void write(Path file, Content content) {
    OutputFile output = new OutputFile(file);
    output.check();
    try {
      if (output.isWrittenThrough()) {
        try (FileChannel channel = FileChannel.open(output.target, output.how())) {
          content.writeTo(channel);
        }
      } else {
        output.replace(content);
      }
    } catch (IOException e) {
      throw output.failed(reason(e));
    }
  }

  /** Writes a text in UTF-8. */
  public static void write(Path file, String text) {
    write(
        file,
        channel -> {
          OutputStream out = Channels.newOutputStream(channel);
          out.write(text.getBytes(StandardCharsets.UTF_8));
        });
  }

  /** Where links lead to; also the name that the last of them gives to a file yet to be made. */
  private static Path withoutLinks(Path file) {
    Path path = file.toAbsolutePath();
    try {
      for (int i = 0; i < MAX_LINKS && Files.isSymbolicLink(path) && !isDescriptor(path); i++) {
        path = path.resolveSibling(Files.readSymbolicLink(path));
      }
    } catch (IOException | UnsupportedOperationException e) {
      return path; // opening it tells why
    }
    return path;
  }

  /**
   * A file that this process has open already, as {@code /dev/stdout}: another one has its name.
   */
  private static boolean isDescriptor(Path path) {
    return path.startsWith("/proc") || path.startsWith("/dev/fd");
  }

  private boolean isWrittenThrough() {
    return isDescriptor(target)
        || Files.exists(target)
            && !(Files.isRegularFile(target) && Files.isWritable(target.getParent()));
  }

  /** A regular file in a folder where no other can be made loses what it had at once. */
  private StandardOpenOption[] how() {
    return isDescriptor(target) || !Files.isRegularFile(target)
        ? new StandardOpenOption[] {StandardOpenOption.APPEND}
        : new StandardOpenOption[] {StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING};
  }

  private void check() {
    Path folder = target.getParent();
    if (Files.isSymbolicLink(target) && !isDescriptor(target)) {
      throw failed("its links lead in a circle");
    }
    if (Files.isDirectory(target)) {
      throw failed("it is a folder");
    }
    if (folder == null || !Files.isDirectory(folder)) {
      throw failed("there is no folder " + folder);
    }
    if (!isDescriptor(target) && !Files.isWritable(Files.exists(target) ? target : folder)) {
      throw failed("the system does not allow it");
    }
  }

  private void replace(Content content) throws IOException {
    PosixFileAttributes old = attributes();
    Path beside = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
    try {
      try (FileChannel channel = create(beside, old)) {
        content.writeTo(channel);
        channel.force(true);
      }
      Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(beside);
    }
  }

  /** Those of the file that is there, or null. */
  private @Nullable PosixFileAttributes attributes() throws IOException {
    boolean posix = Files.getFileStore(target.getParent()).supportsFileAttributeView("posix");
    return posix && Files.exists(target)
        ? Files.readAttributes(target, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
        : null;
  }

  private FileChannel create(Path beside, @Nullable PosixFileAttributes old) throws IOException {
    FileAttribute<?>[] attributes =
        old == null
            ? new FileAttribute<?>[0]
            : new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(old.permissions())};
    FileChannel channel =
        FileChannel.open(
            beside, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes);
    if (old == null) {
      return channel;
    }
    PosixFileAttributeView view = Files.getFileAttributeView(beside, PosixFileAttributeView.class);
    try {
      view.setGroup(old.group());
      view.setOwner(old.owner());
    } catch (FileSystemException e) {
      // only root may give files away
    }
    try {
      view.setPermissions(old.permissions()); // the process's mask took some
    } catch (IOException e) {
      channel.close();
      throw e;
    }
    return channel;
  }

  private static String reason(IOException e) {
    if (e instanceof AccessDeniedException) {
      return "the system does not allow it";
    }
    String reason = e instanceof FileSystemException failure ? failure.getReason() : null;
    return reason != null ? reason : e.getMessage() == null ? e.toString() : e.getMessage();
  }

  private Mla4jException failed(String reason) {
    return new Mla4jException(named + ": cannot be written: " + Quote.line(reason));
  }
}
