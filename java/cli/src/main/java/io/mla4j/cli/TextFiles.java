package io.mla4j.cli;

import io.mla4j.Mla4jException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts that users name, in UTF-8. */
final class TextFiles {
  private TextFiles() {}

  static String read(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      throw new Mla4jException(file + ": is a folder, not a text");
    }
    return decode(file.toString(), Files.readAllBytes(file));
  }

  static String read(InputStream stdin) throws IOException {
    return decode("stdin", stdin.readAllBytes());
  }

  private static String decode(String name, byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new Mla4jException(name + ": is not valid UTF-8", e);
    }
  }
}
