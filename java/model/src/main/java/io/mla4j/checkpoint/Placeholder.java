package io.mla4j.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Files that stand where another one should: a clone or a download has not brought the content. */
final class Placeholder {
  private static final int START = 64;

  private Placeholder() {}

  /**
   * Checks that {@code file} is not one of them.
   *
   * @throws CheckpointException with the cause and the way out
   */
  static void refuse(Path file) {
    String start;
    try (InputStream in = Files.newInputStream(file)) {
      start = new String(in.readNBytes(START), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
    if (start.startsWith("version https://git-lfs.github.com/")) {
      throw new CheckpointException(
          file
              + ": is a pointer of git-lfs in place of the content: run `git lfs pull` where it was"
              + " cloned, or download the file");
    }
    if (start.startsWith("# xet version ")) {
      throw new CheckpointException(
          file + ": is a pointer of git-xet in place of the content: download the file");
    }
    String lower = start.stripLeading().toLowerCase(Locale.ROOT);
    if (lower.startsWith("<!doctype") || lower.startsWith("<html")) {
      throw new CheckpointException(
          file
              + ": is a web page in place of the content: the download was answered with a page,"
              + " perhaps for lack of a login; download the file again");
    }
  }
}
