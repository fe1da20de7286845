package io.mla4j.extract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URL;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where files of jars go, that they are whole there, and what is said where they cannot go. */
class ExtractionTest {
  private static final String NAME = "libx.so";

  @TempDir Path folder;
  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> environment = new HashMap<>();
  private final byte[] content = new byte[300_000];
  private Digest digest;
  private final AtomicInteger opened = new AtomicInteger();

  @BeforeEach
  void linux() throws Exception {
    new Random(1).nextBytes(content);
    CRC32 sum = new CRC32();
    sum.update(content);
    digest = new Digest(sum.getValue(), content.length);
    properties.put("os.name", "Linux");
    properties.put("user.home", Files.createDirectory(folder.resolve("home")).toString());
    properties.put("java.io.tmpdir", Files.createDirectory(folder.resolve("tmp")).toString());
  }

  private Extraction extraction() {
    return new Extraction(properties::get, environment::get);
  }

  private List<PackedFile> packed() {
    return List.of(
        new PackedFile(
            NAME,
            digest,
            () -> {
              opened.incrementAndGet();
              return new ByteArrayInputStream(content);
            }));
  }

  /** The file that the loader is given, which must be whole then. */
  private Path load() {
    return extraction().load(packed(), this::whole);
  }

  private Path whole(Path file) {
    try {
      assertArrayEquals(content, Files.readAllBytes(file));
      assertTrue(Files.isExecutable(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return file;
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).toList();
    }
  }

  private Path inCache(Path cache) {
    return cache.resolve("mla4j").resolve(digest.name()).resolve(NAME);
  }

  private void assertKeptIn(Path cache) throws IOException {
    assertEquals(inCache(cache), load());
    assertEquals(List.of(inCache(cache)), files(cache), "no part of a file is left");
  }

  private void assertPrivate() throws IOException {
    Path file = load();
    assertTrue(file.startsWith(folder.resolve("tmp")), file.toString());
    assertFalse(Files.exists(file.getParent()), "gone once it is loaded");
    assertEquals(List.of(), files(folder.resolve("tmp")));
  }

  private String refusal() {
    return assertThrows(BackendException.class, this::load).getMessage();
  }

  @Test
  void writesOnceAndKeepsIt() throws IOException {
    assertKeptIn(folder.resolve("home/.cache"));
    assertKeptIn(folder.resolve("home/.cache"));
    assertEquals(1, opened.get());
  }

  @Test
  void cacheFoldersOfThePlatforms() throws IOException {
    environment.put("XDG_CACHE_HOME", "relative");
    assertKeptIn(folder.resolve("home/.cache"));
    environment.put("XDG_CACHE_HOME", folder.resolve("xdg").toString());
    assertKeptIn(folder.resolve("xdg"));
    properties.put("os.name", "Mac OS X");
    assertKeptIn(folder.resolve("home/Library/Caches"));
    properties.put("os.name", "Windows 11");
    environment.put("LOCALAPPDATA", folder.resolve("local").toString());
    assertKeptIn(folder.resolve("local"));
  }

  @Test
  void aGivenFolderWins() throws IOException {
    environment.put("XDG_CACHE_HOME", folder.resolve("xdg").toString());
    environment.put("MLA4J_CACHE", folder.resolve("variable").toString());
    assertKeptIn(folder.resolve("variable"));
    properties.put("mla4j.cache", folder.resolve("property").toString());
    assertKeptIn(folder.resolve("property"));
    assertFalse(Files.exists(folder.resolve("xdg")));
  }

  @Test
  void replacesAChangedOrTruncatedFile() throws IOException {
    byte[] changed = content.clone();
    changed[77] ^= 1;
    byte[] zeros = new byte[content.length];
    for (byte[] damaged :
        List.of(changed, zeros, Arrays.copyOf(content, 1000), new byte[0], new byte[1_000_000])) {
      Files.write(load(), damaged);
      assertKeptIn(folder.resolve("home/.cache"));
    }
  }

  @Test
  void aJarNotesWhatAFileHas() throws IOException {
    Path file = Files.write(folder.resolve("libx.so"), content);
    Path jar = folder.resolve("x.jar");
    try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(jar))) {
      out.putNextEntry(new ZipEntry("native/libx.so"));
      out.write(content);
    }
    URL entry = URI.create("jar:" + jar.toUri() + "!/native/libx.so").toURL();
    assertEquals(digest, Digest.of(entry));
    assertEquals("crc32-" + Long.toHexString(digest.crc()) + "-300000", digest.name());
    assertEquals(digest, Digest.of(file.toUri().toURL()));
  }

  @Test
  void manyThreadsAtOnce() throws Exception {
    int threads = 16;
    CountDownLatch start = new CountDownLatch(threads);
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<Future<Path>> files = new ArrayList<>();
      for (int i = 0; i < threads; i++) {
        files.add(
            pool.submit(
                () -> {
                  start.countDown();
                  start.await();
                  return load();
                }));
      }
      for (Future<Path> file : files) {
        assertEquals(inCache(folder.resolve("home/.cache")), file.get());
      }
    }
    assertKeptIn(folder.resolve("home/.cache"));
  }

  @Test
  void refusesADamagedJar() throws IOException {
    content[5] ^= 1;
    assertTrue(refusal().contains("damaged"), refusal());
    assertEquals(List.of(), files(folder));
    properties.put("user.home", "?");
    assertTrue(refusal().contains("damaged"), refusal());
    try (Stream<Path> left = Files.list(folder.resolve("tmp"))) {
      assertEquals(List.of(), left.toList());
    }
  }

  @Test
  void aFileThatNobodyMayExecuteIsMadeExecutableAgain() {
    assertTrue(load().toFile().setExecutable(false, false));
    load();
    assertEquals(1, opened.get());
  }

  @Test
  void withoutAHomeTheFileIsThereForOneLoadOnly() throws IOException {
    for (String home : List.of("?", "", "relative", folder.resolve("missing").toString())) {
      properties.put("user.home", home);
      assertPrivate();
      assertFalse(Files.exists(Path.of("?")), "no folder named ?");
      assertFalse(Files.exists(folder.resolve("missing")), "nobody is given a home");
    }
  }

  /** A file in place of the folder: also root cannot write below it. */
  @Test
  void whereTheUsersCacheCannotBeWrittenTheFileIsThereForOneLoadOnly() throws IOException {
    Files.createFile(folder.resolve("home/.cache"));
    assertPrivate();
  }

  @Test
  void aGivenFolderThatCannotBeUsedIsAnErrorWithTheWayOut() throws IOException {
    Path blocked = Files.createFile(folder.resolve("blocked"));
    properties.put("mla4j.cache", blocked.toString());
    String message = refusal();
    assertTrue(message.contains(blocked + "/mla4j is no folder"), message);
    assertTrue(message.contains("-Dmla4j.cache or MLA4J_CACHE"), message);
    assertEquals(1, message.lines().count());
  }

  @Test
  void whereNothingCanBeUsedEachFolderIsNamed() throws IOException {
    Files.createFile(folder.resolve("home/.cache"));
    properties.put("java.io.tmpdir", folder.resolve("no-tmp").toString());
    String message = refusal();
    assertTrue(message.contains(folder.resolve("home/.cache") + "/mla4j is no folder; "), message);
    assertTrue(message.contains(folder.resolve("no-tmp") + " is not there; "), message);
    properties.put("user.home", "?");
    assertTrue(refusal().contains("the user has no home folder; "), refusal());
  }

  @Test
  void causesAreNamed() {
    Map<String, String> causes =
        Map.of(
            "No space left on device", "is full",
            "Disk quota exceeded", "is full (quota)",
            "Read-only file system", "is read-only",
            "Input/output error", "cannot be written (FileSystemException: Input/output error)");
    causes.forEach(
        (system, told) ->
            assertEquals(
                "/c " + told,
                new UnusableFolderException(
                        Path.of("/c"), new FileSystemException("/c/x", null, system))
                    .getMessage()));
    assertEquals(
        "/c is full",
        new UnusableFolderException(Path.of("/c"), new IOException("No space left on device"))
            .getMessage());
  }

  @Test
  void readOnlyFolderWithTheFileInItIsFine() throws IOException {
    Path file = load();
    assertTrue(file.getParent().toFile().setWritable(false));
    assertEquals(file, load());
    assertTrue(file.getParent().toFile().setWritable(true));
    assertEquals(1, opened.get());
  }

  @Test
  void aCopyIsApartFromTheSharedFileAndGoes() throws IOException {
    Path shared = load();
    Path copy = extraction().loadCopy(packed(), this::whole);
    assertNotEquals(shared, copy);
    assertEquals(shared.getFileName(), copy.getFileName());
    assertKeptIn(folder.resolve("home/.cache"));
  }

  @Test
  void aLoaderThatFailsLeavesNothing() throws IOException {
    properties.put("user.home", "?");
    assertThrows(
        IllegalStateException.class,
        () ->
            extraction()
                .load(
                    packed(),
                    file -> {
                      throw new IllegalStateException();
                    }));
    assertEquals(List.of(), files(folder));
  }

  @Test
  void whatKilledStartsHaveLeftIsRemoved() throws IOException {
    FileTime old = FileTime.from(Instant.now().minusSeconds(7200));
    Path left = Files.createDirectories(folder.resolve("tmp/mla4j-private-1"));
    Files.setLastModifiedTime(Files.createFile(left.resolve(NAME)), old);
    Files.setLastModifiedTime(left, old);
    Path young = Files.createDirectories(folder.resolve("tmp/mla4j-private-2"));
    properties.put("user.home", "?");
    load();
    assertFalse(Files.exists(left));
    assertTrue(Files.exists(young));
    properties.put("user.home", folder.resolve("home").toString());
    Path file = load();
    Path part = Files.createFile(file.resolveSibling(NAME + ".1.part"));
    Files.setLastModifiedTime(part, old);
    Files.delete(file);
    load();
    assertFalse(Files.exists(part));
  }

  @Test
  void severalFilesLieBesideEachOther() {
    PackedFile first = new PackedFile("liby.so", digest, () -> new ByteArrayInputStream(content));
    Path file =
        extraction()
            .load(
                List.of(first, packed().getFirst()),
                library -> {
                  whole(library.resolveSibling("liby.so"));
                  return whole(library);
                });
    assertEquals(NAME, file.getFileName().toString());
  }
}
