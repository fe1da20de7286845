package io.mla4j.ffi.library;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Libraries of jars as files: whole, verified, replaced where they are damaged. */
class LibraryCacheTest {
  private static final String NAME = "libx.so";

  @TempDir Path folder;
  private final byte[] content = new byte[300_000];
  private String sha256;
  private final AtomicInteger opened = new AtomicInteger();

  @BeforeEach
  void content() throws Exception {
    new Random(1).nextBytes(content);
    sha256 = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
  }

  private Path extract() {
    return new LibraryCache(folder)
        .extract(
            NAME,
            sha256,
            () -> {
              opened.incrementAndGet();
              return new ByteArrayInputStream(content);
            });
  }

  private void assertWholeAndAlone(Path file) throws IOException {
    assertEquals(folder.resolve(sha256).resolve(NAME), file);
    assertArrayEquals(content, Files.readAllBytes(file));
    try (Stream<Path> files = Files.list(file.getParent())) {
      assertEquals(List.of(file), files.toList(), "no part of a file is left");
    }
  }

  @Test
  void writesOnceAndKeepsIt() throws IOException {
    assertWholeAndAlone(extract());
    assertWholeAndAlone(extract());
    assertEquals(1, opened.get());
  }

  @Test
  void replacesAChangedOrTruncatedFile() throws IOException {
    Path file = extract();
    byte[] changed = content.clone();
    changed[77] ^= 1;
    Files.write(file, changed);
    assertWholeAndAlone(extract());
    Files.write(file, java.util.Arrays.copyOf(content, 1000));
    assertWholeAndAlone(extract());
    Files.write(file, new byte[0]);
    assertWholeAndAlone(extract());
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
                  return extract();
                }));
      }
      for (Future<Path> file : files) {
        assertArrayEquals(content, Files.readAllBytes(file.get()));
      }
    }
    assertWholeAndAlone(extract());
  }

  @Test
  void refusesADamagedJar() throws IOException {
    content[5] ^= 1;
    BackendException e = assertThrows(BackendException.class, this::extract);
    assertTrue(e.getMessage().contains("damaged"), e.getMessage());
    try (Stream<Path> files = Files.list(folder.resolve(sha256))) {
      assertEquals(0, files.count());
    }
  }

  @Test
  void saysWhatToDoWhereTheFolderCannotBeWritten() throws IOException {
    // A file in place of the folder: also root cannot write below it.
    Path blocked = Files.createFile(folder.resolve("blocked"));
    BackendException e =
        assertThrows(
            BackendException.class,
            () ->
                new LibraryCache(blocked)
                    .extract(NAME, sha256, () -> new ByteArrayInputStream(content)));
    assertTrue(
        e.getMessage().contains(blocked.toString()) && e.getMessage().contains("-Dmla4j.cache"),
        e.getMessage());
  }

  @Test
  void readOnlyFolderWithTheFileInItIsFine() throws IOException {
    Path file = extract();
    assertTrue(file.getParent().toFile().setWritable(false));
    assertEquals(file, extract());
    assertTrue(file.getParent().toFile().setWritable(true));
    assertEquals(1, opened.get());
  }
}
