package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Mla4jException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What stands under the name of a result before and after it was written, or could not be. */
class OutputFileTest {
  @TempDir Path folder;

  private static void refused(Path file, String part) {
    for (Runnable call :
        new Runnable[] {() -> OutputFile.check(file), () -> OutputFile.write(file, "new")}) {
      String message = assertThrows(Mla4jException.class, call::run).getMessage();
      assertTrue(message.startsWith(file + ": cannot be written: "), message);
      assertTrue(message.contains(part), message);
    }
  }

  private long files() throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.count();
    }
  }

  @Test
  void makesAndReplacesFiles() throws IOException {
    Path file = folder.resolve("a file");
    OutputFile.write(file, "old, and longer");
    OutputFile.write(file, "new");
    assertEquals("new", Files.readString(file));
    assertEquals(1, files());
  }

  @Test
  void keepsPermissions() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "old");
    for (String permissions : new String[] {"rw-------", "rw-rw-rw-", "rwxr-x---"}) {
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
      OutputFile.write(file, "new");
      assertEquals(permissions, PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }
  }

  @Test
  void followsLinks() throws IOException {
    Path real = Files.writeString(Files.createDirectory(folder.resolve("d")).resolve("real"), "o");
    Path second = Files.createSymbolicLink(folder.resolve("second"), Path.of("d/real"));
    Path first = Files.createSymbolicLink(folder.resolve("first"), second);
    OutputFile.write(first, "new");
    assertTrue(Files.isSymbolicLink(first) && Files.isSymbolicLink(second));
    assertEquals("new", Files.readString(real));

    Files.delete(real);
    OutputFile.write(first, "made");
    assertTrue(Files.isSymbolicLink(first) && Files.isSymbolicLink(second));
    assertEquals("made", Files.readString(real));

    Path round = folder.resolve("round");
    refused(Files.createSymbolicLink(round, round), "circle");
    refused(Files.createSymbolicLink(folder.resolve("nowhere"), Path.of("none/x")), "no folder");
  }

  @Test
  @Timeout(value = 30, unit = TimeUnit.SECONDS)
  void writesIntoAPipe() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    Path link = Files.createSymbolicLink(folder.resolve("link"), pipe);
    byte[] bytes = new byte[1 << 20];
    for (Path name : new Path[] {pipe, link}) {
      CompletableFuture<byte[]> read =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return Files.readAllBytes(pipe);
                } catch (IOException e) {
                  throw new java.io.UncheckedIOException(e);
                }
              });
      OutputFile.write(name, channel -> writeAll(channel, bytes));
      assertArrayEquals(bytes, read.get());
      assertTrue(
          Files.readAttributes(pipe, java.nio.file.attribute.BasicFileAttributes.class).isOther());
    }
    assertEquals(2, files());
  }

  private static void writeAll(java.nio.channels.WritableByteChannel channel, byte[] bytes)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  @Test
  void aFailureLeavesWhatWasThere() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "old");
    for (Path target : new Path[] {file, folder.resolve("other")}) {
      Mla4jException full =
          assertThrows(
              Mla4jException.class,
              () ->
                  OutputFile.write(
                      target,
                      channel -> {
                        channel.write(ByteBuffer.allocate(1000));
                        throw new IOException("No space left on device");
                      }));
      assertEquals(target + ": cannot be written: No space left on device", full.getMessage());
    }
    assertEquals("old", Files.readString(file));
    assertEquals(1, files());
  }

  @Test
  void saysWhatIsInTheWay() throws IOException {
    refused(folder, "it is a folder");
    refused(folder.resolve("none/file"), "there is no folder " + folder.resolve("none"));
    Path file = Files.writeString(folder.resolve("file"), "old");
    refused(file.resolve("x"), "there is no folder " + file);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
    if (!Files.isWritable(file)) { // root may write everything
      refused(file, "the system does not allow it");
    }
    assertEquals("old", Files.readString(file));
    assertFalse(Files.exists(folder.resolve("none")));
  }
}
