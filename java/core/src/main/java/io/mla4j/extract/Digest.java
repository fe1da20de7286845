package io.mla4j.extract;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/**
 * What a file's content must be: the CRC-32 and the size that every jar notes of its entries.
 * Enough against a write that was cut short or a bad disk; a SHA-256 of a library takes fifty
 * milliseconds in a JVM that has just started.
 *
 * @param crc of all bytes
 * @param size in bytes
 */
public record Digest(long crc, long size) {
  private static final int CHUNK = 1 << 16;

  /** As the jar of a resource notes it; computed where the resource lies in none. */
  public static Digest of(URL resource) throws IOException {
    URLConnection connection = resource.openConnection();
    connection.setUseCaches(false);
    if (connection instanceof JarURLConnection jar) {
      try (JarFile file = jar.getJarFile()) {
        JarEntry entry = file.getJarEntry(jar.getEntryName());
        if (entry.getCrc() >= 0 && entry.getSize() >= 0) {
          return new Digest(entry.getCrc(), entry.getSize());
        }
      }
    }
    try (InputStream in = resource.openStream()) {
      return of(in);
    }
  }

  private static Digest of(InputStream in) throws IOException {
    CheckedInputStream checked = new CheckedInputStream(in, new CRC32());
    long size = 0;
    byte[] chunk = new byte[CHUNK];
    for (int n = checked.read(chunk); n > 0; n = checked.read(chunk)) {
      size += n;
    }
    return new Digest(checked.getChecksum().getValue(), size);
  }

  /** A name for a folder: contents that differ have different ones. */
  String name() {
    return "crc32-" + Long.toHexString(crc) + "-" + size;
  }

  boolean holds(Path file) throws IOException {
    if (!Files.isRegularFile(file) || Files.size(file) != size) {
      return false;
    }
    try (InputStream in = Files.newInputStream(file)) {
      Digest found = of(in);
      return found.crc == crc && found.size == size;
    }
  }
}
