package io.mla4j.cli;

import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.Utf8;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts that users name, in UTF-8. */
final class TextFiles {
  private TextFiles() {}

  static String read(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      throw new Mla4jException(file + ": is a folder, not a text");
    }
    return Utf8.decode(file.toString(), Files.readAllBytes(file));
  }

  static String read(InputStream stdin) throws IOException {
    return Utf8.decode("stdin", stdin.readAllBytes());
  }
}
