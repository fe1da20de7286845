package io.mla4j.ffi.library;

import io.mla4j.BackendException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.function.Supplier;

/**
 * Libraries of jars as files, each in a folder named by its SHA-256: {@code
 * <folder>/<sha256>/<name>}.
 *
 * <p>A file appears by an atomic rename, so processes that start at the same time see all of it or
 * none; a file with another content, truncated or changed, is replaced.
 */
record LibraryCache(Path folder) {
  /**
   * The file, written unless it is there already.
   *
   * @param sha256 of the content, 64 hexadecimal digits
   * @param content opened only where the file has to be written
   * @throws BackendException where the file cannot be written or the content has another SHA-256
   */
  Path extract(String name, String sha256, Supplier<InputStream> content) {
    Path file = folder.resolve(sha256).resolve(name);
    try {
      if (!holds(file, sha256)) {
        write(file, sha256, content);
      }
    } catch (IOException e) {
      throw new BackendException(
          "the native library cannot be kept as "
              + file
              + " ("
              + reason(e)
              + "); name another folder with -D"
              + LibraryFinder.CACHE_PROPERTY,
          e);
    }
    return file;
  }

  private static void write(Path file, String sha256, Supplier<InputStream> content)
      throws IOException {
    Files.createDirectories(file.getParent());
    Path part = Files.createTempFile(file.getParent(), file.getFileName() + ".", ".part");
    try {
      try (InputStream in = content.get()) {
        if (in == null) {
          throw new FileNotFoundException("the jar has its SHA-256 but not the library");
        }
        Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
      }
      if (!holds(part, sha256)) {
        throw new BackendException(
            "the native library in the jar is damaged: its SHA-256 is not " + sha256);
      }
      try {
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        // Where open files cannot be replaced, another process may have put the same one there.
        if (!holds(file, sha256)) {
          throw e;
        }
      }
    } finally {
      Files.deleteIfExists(part);
    }
  }

  private static boolean holds(Path file, String sha256) throws IOException {
    if (!Files.isRegularFile(file)) {
      return false;
    }
    byte[] digest = sha256().digest(Files.readAllBytes(file));
    return HexFormat.of().formatHex(digest).equals(sha256);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  private static String reason(IOException e) {
    return e.getClass().getSimpleName() + ": " + e.getMessage();
  }
}
