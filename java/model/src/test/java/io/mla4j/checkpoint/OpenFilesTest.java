package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.mla4j.Backends;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MappedWatch;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of files that change while they are open; nothing of a shortened one is read. */
class OpenFilesTest {
  private static final String PROPERTY = "mla4j.weights";
  private static final byte[] BYTES = {1, 2, 3, 4, 5, 6, 7, 8};

  @TempDir private Path folder;
  private Path file;

  private final @Nullable String asked = System.setProperty(PROPERTY, "map");

  @AfterEach
  void restore() {
    if (asked == null) {
      System.clearProperty(PROPERTY);
    } else {
      System.setProperty(PROPERTY, asked);
    }
  }

  @BeforeEach
  void write() throws IOException {
    file = Files.write(folder.resolve("weights"), BYTES);
    Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000));
  }

  private static void resize(Path file, int size) throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
      open.setLength(size);
    }
  }

  private void told(String what, Runnable check) {
    String message = assertThrows(CheckpointException.class, check::run).getMessage();
    assertTrue(message.startsWith(file + ": " + what + "; open the model again"), message);
  }

  @Test
  void anotherSizeIsToldBySizesAlone() throws IOException {
    Path first = Files.write(folder.resolve("first"), BYTES);
    for (int size : new int[] {7, 0, 9}) {
      write();
      try (OpenFiles files = new OpenFiles()) {
        files.map(first);
        files.map(file);
        files.requireUnchanged();
        files.requireWhole();
        resize(file, size);
        told("had 8 bytes when it was opened and has " + size, files::requireWhole);
        told("had 8 bytes when it was opened and has " + size, files::requireUnchanged);
      }
    }
  }

  @Test
  void otherContentsAreToldByTheTime() throws IOException {
    try (OpenFiles files = new OpenFiles()) {
      files.map(file);
      Files.setLastModifiedTime(file, FileTime.fromMillis(2_000_000));
      files.requireWhole();
      told("was written to since it was opened", files::requireUnchanged);
      told("was written to since it was opened", files::requireUnchanged);
    }
  }

  @Test
  void aFileThatIsNoMoreWhereItWasIsTheSame() throws IOException {
    for (boolean replaced : new boolean[] {true, false}) {
      write();
      try (OpenFiles files = new OpenFiles()) {
        MemorySegment bytes = files.map(file);
        assertTrue(bytes.isMapped());
        if (replaced) {
          Path other = Files.write(folder.resolve("other"), new byte[3]);
          Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
        } else {
          Files.delete(file);
        }
        files.requireUnchanged();
        files.requireUnchanged();
        files.requireWhole();
        assertArrayEquals(BYTES, bytes.toArray(ValueLayout.JAVA_BYTE));
      }
    }
  }

  @Test
  void whyAMappingCouldNotBeRead() throws IOException {
    InternalError fault = new InternalError("a fault");
    try (OpenFiles files = new OpenFiles()) {
      files.map(file);
      CheckpointException unknown = files.unreadable(fault);
      assertTrue(
          unknown.getMessage().startsWith(file + ": a part of the mapped weights could not"));
      assertSame(fault, unknown.getCause());
      resize(file, 2);
      CheckpointException shorter = files.unreadable(fault);
      assertTrue(shorter.getMessage().startsWith(file + ": had 8 bytes when"));
      assertArrayEquals(new Throwable[] {fault}, shorter.getSuppressed());
      assertEquals(0, files.unreadable(null).getSuppressed().length);
    }
  }

  @Test
  void whatWasReadIsNotWatched() throws IOException {
    System.setProperty(PROPERTY, " read ");
    try (OpenFiles files = new OpenFiles()) {
      MemorySegment bytes = files.map(file);
      assertEquals(0, files.map(Files.write(folder.resolve("empty"), new byte[0])).byteSize());
      assertTrue(bytes.isReadOnly() && !bytes.isMapped());
      resize(file, 2);
      files.requireUnchanged();
      assertArrayEquals(BYTES, bytes.toArray(ValueLayout.JAVA_BYTE));
    }
    System.setProperty(PROPERTY, "copy");
    assertEquals(
        "mla4j.weights or MLA4J_WEIGHTS is copy, but must be map or read",
        assertThrows(InvalidArgumentException.class, OpenFiles::new).getMessage());
  }

  @Test
  void eachFileIsWatchedAndMayBeFetched() throws IOException {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1));
        OpenFiles files = new OpenFiles()) {
      MemorySegment a = files.map(file);
      MemorySegment b = files.map(Files.write(folder.resolve("b"), BYTES));
      files.fetch(a);
      files.fetch(b.asSlice(4, 2));
      List<MappedWatch> watches = files.watch(device);
      assertEquals(2, watches.size());
      watches.forEach(MappedWatch::close);
    }
  }

  private static long open(Path file) throws IOException {
    Path descriptors = Path.of("/proc/self/fd");
    assumeTrue(Files.isDirectory(descriptors), "only Linux lists them");
    try (Stream<Path> links = Files.list(descriptors)) {
      return links
          .filter(Files::isSymbolicLink)
          .filter(
              link -> {
                try {
                  return Files.readSymbolicLink(link).equals(file.toRealPath());
                } catch (IOException e) {
                  return false; // was closed meanwhile
                }
              })
          .count();
    }
  }

  @Test
  void nothingStaysOpen() throws IOException {
    OpenFiles files = new OpenFiles();
    files.map(file);
    assertTrue(files.isOpen());
    assertTrue(open(file) > 0);
    files.close();
    files.close();
    assertFalse(files.isOpen());
    assertEquals(0, open(file));
    // Of files that are refused neither.
    Path broken = Files.write(folder.resolve("model.safetensors"), BYTES);
    assertThrows(CheckpointException.class, () -> Checkpoint.open(folder));
    assertThrows(CheckpointException.class, () -> Checkpoint.openFile(broken));
    assertEquals(0, open(broken));
  }
}
