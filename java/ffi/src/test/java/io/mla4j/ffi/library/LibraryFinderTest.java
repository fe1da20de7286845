package io.mla4j.ffi.library;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.CRC32;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the library is looked for, in which order, and what is said where it is not. */
class LibraryFinderTest {
  private static final byte[] CONTENT = "the library".getBytes(StandardCharsets.UTF_8);

  @TempDir Path folder;
  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> environment = new HashMap<>();
  private final Map<String, byte[]> jar = new HashMap<>();

  @BeforeEach
  void linux() {
    platform("Linux", "amd64", "linux-x86_64");
    properties.put("user.home", folder.resolve("home").toString());
  }

  private void platform(String os, String arch, String inJar) {
    properties.put("os.name", os);
    properties.put("os.arch", arch);
    jar.clear();
    String path = "META-INF/native/" + inJar + "/" + System.mapLibraryName("mla4j_cpu");
    jar.put(path, CONTENT);
  }

  private LibraryFinder finder() {
    return new LibraryFinder("cpu", properties::get, environment::get, this::resource);
  }

  private URL resource(String path) {
    byte[] bytes = jar.get(path);
    if (bytes == null) {
      return null;
    }
    try {
      Path file = folder.resolve("jar").resolve(path);
      Files.createDirectories(file.getParent());
      return Files.write(file, bytes).toUri().toURL();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Path find() {
    return finder().load(file -> file);
  }

  private String refusal() {
    return assertThrows(BackendException.class, this::find).getMessage();
  }

  @Test
  void aNamedFileWinsAndIsTakenAsItIs() {
    environment.put("MLA4J_CPU_LIBRARY", "/b/lib.so");
    assertEquals(Path.of("/b/lib.so"), find());
    properties.put("mla4j.cpu.library", "/a/lib.so");
    properties.put("mla4j.cpu.folder", folder.toString());
    assertEquals(Path.of("/a/lib.so"), find());
    assertTrue(finder().isNamed());
  }

  @Test
  void theFolderOfABuildComesBeforeTheJar() throws IOException {
    properties.put("mla4j.cpu.folder", folder.toString());
    Path file = folder.resolve(System.mapLibraryName("mla4j_cpu"));
    String e = refusal();
    assertTrue(e.contains(file.toString()), e);
    Files.createFile(file);
    assertEquals(file, find());
  }

  @Test
  void extractsTheJarsForEveryPlatform() throws IOException {
    CRC32 sum = new CRC32();
    sum.update(CONTENT);
    for (String[] platform :
        new String[][] {
          {"Linux", "amd64", "linux-x86_64"},
          {"Mac OS X", "aarch64", "macos-aarch64"},
          {"Windows 11", "amd64", "windows-x86_64"}
        }) {
      platform(platform[0], platform[1], platform[2]);
      properties.put("mla4j.cache", folder.resolve(platform[2]).toString());
      Path file = find();
      assertEquals(
          folder
              .resolve(platform[2])
              .resolve("mla4j")
              .resolve("crc32-" + Long.toHexString(sum.getValue()) + "-" + CONTENT.length)
              .resolve(System.mapLibraryName("mla4j_cpu")),
          file);
      assertArrayEquals(CONTENT, Files.readAllBytes(file));
      assertFalse(finder().isNamed());
    }
  }

  @Test
  void saysWhatItLookedForAndWhatTheJarHas() {
    properties.put("os.arch", "riscv64");
    String e = refusal();
    assertTrue(e.contains("META-INF/native/linux-riscv64/"), e);
    assertTrue(e.endsWith("which has those for linux-x86_64"), e);
    jar.clear();
    e = refusal();
    assertTrue(e.endsWith("which has no native library"), e);
  }

  @Test
  void saysWhyThereIsNone() {
    jar.clear();
    String notBuilt = refusal();
    assertTrue(notBuilt.contains("linux-x86_64"), notBuilt);
    jar.put("META-INF/native/missing.txt", "no g++\n".getBytes(StandardCharsets.UTF_8));
    String noCompiler = refusal();
    assertTrue(noCompiler.endsWith("built: no g++"), noCompiler);
  }
}
