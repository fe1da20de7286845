package io.mla4j.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.PinnedMemory;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Pages of mapped files: which are there, which are asked for, which stay. */
class ReadaheadTest {
  private static final int EXPERTS = 4;
  private static final int ROWS = 256;
  private static final int COLUMNS = 1024;
  private static final long MATRIX = 4L * ROWS * COLUMNS;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment flag = arena.allocate(1);
  private Path file;
  private FilePages pages;
  private MemorySegment mapped;

  /** A file whose pages nobody has read: all of it is a hole. */
  @BeforeEach
  void map() throws IOException {
    file = Files.createTempFile("readahead", ".bin");
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
      open.setLength(3 * EXPERTS * MATRIX);
      mapped = open.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, open.length(), arena);
    }
    pages = FilePages.ofSystem().orElse(null);
    assumeTrue(pages != null, "no such functions here");
    String type = Files.getFileStore(file).type();
    assumeFalse(type.equals("tmpfs"), "everything is in memory there");
  }

  @AfterEach
  void close() throws IOException {
    arena.close();
    Files.delete(file);
  }

  private boolean isResident(long at) {
    return pages.isResident(mapped.address() + at, flag);
  }

  private void awaitResident(long at) throws InterruptedException {
    for (int i = 0; i < 1000 && !isResident(at); i++) {
      Thread.sleep(10);
    }
    assertTrue(isResident(at));
  }

  private List<FeedForward.Weights> experts() {
    List<FeedForward.Weights> experts = new ArrayList<>();
    for (int e = 0; e < EXPERTS; e++) {
      experts.add(new FeedForward.Weights(matrix(3 * e), matrix(3 * e + 1), matrix(3 * e + 2)));
    }
    return experts;
  }

  private Weight matrix(int i) {
    MemorySegment segment = mapped.asSlice(i * MATRIX, MATRIX);
    return Weight.of(Tensor.of(segment, StorageFormat.F32, ROWS, COLUMNS));
  }

  @Test
  void pagesAreReadWhenTheyAreAskedFor() throws InterruptedException {
    long at = 5 * MATRIX + 12_345;
    assertFalse(isResident(at));
    pages.willNeed(mapped.address() + at, MATRIX);
    awaitResident(at);
    awaitResident(at + MATRIX - 1);
    assertFalse(isResident(0), "nobody asked for the others");
  }

  @Test
  void chosenExpertsAreAskedForAndNoOthers() throws InterruptedException {
    try (Readahead readahead = new Readahead()) {
      readahead.add(mapped);
      Readahead.Experts experts = readahead.of(experts()).orElseThrow();
      int[] counts = {0, 2, 0, 1};
      // The first ones may come before the functions are linked.
      for (int i = 0; i < 1000 && !isResident(12 * MATRIX - 1); i++) {
        readahead.soon(experts, counts);
        Thread.sleep(10);
      }
      for (int expert : new int[] {1, 3}) {
        awaitResident(3 * expert * MATRIX);
        awaitResident((3 * expert + 3) * MATRIX - 1);
      }
      assertFalse(isResident(0));
      assertFalse(isResident(7 * MATRIX));
    }
  }

  @Test
  void allExpertsAreAskedForWhereAllAreChosen() throws InterruptedException {
    try (Readahead readahead = new Readahead()) {
      readahead.add(mapped);
      Readahead.Experts experts = readahead.of(experts()).orElseThrow();
      for (int i = 0; i < 1000 && !isResident(12 * MATRIX - 1); i++) {
        readahead.soon(experts, new int[] {1, 1, 1, 1});
        Thread.sleep(10);
      }
      for (int matrix = 0; matrix < 3 * EXPERTS; matrix++) {
        awaitResident(matrix * MATRIX);
        awaitResident((matrix + 1) * MATRIX - 1);
      }
    }
  }

  @Test
  void mixturesGoOnWhereAllIsInMemory() throws InterruptedException {
    for (long at = 0; at < mapped.byteSize(); at += pages.pageBytes()) {
      assertEquals(0, mapped.get(ValueLayout.JAVA_BYTE, at));
    }
    try (Readahead readahead = new Readahead()) {
      readahead.add(mapped);
      Readahead.Experts experts = readahead.of(experts()).orElseThrow();
      for (int i = 0; i < 100; i++) {
        readahead.soon(experts, new int[] {1, 1, 1, 1});
        Thread.sleep(1); // the functions are linked meanwhile
      }
    }
  }

  @Test
  void closeEndsTheThreadThatAsks() throws InterruptedException {
    Set<Thread> others = Thread.getAllStackTraces().keySet();
    Thread helper;
    try (Readahead readahead = new Readahead()) {
      readahead.add(mapped);
      readahead.soon(readahead.of(experts()).orElseThrow(), new int[EXPERTS]);
      helper =
          Thread.getAllStackTraces().keySet().stream()
              .filter(t -> t.getName().equals("mla4j-readahead") && !others.contains(t))
              .findFirst()
              .orElseThrow();
      while (helper.getState() != Thread.State.WAITING) {
        Thread.sleep(1);
      }
    }
    assertTrue(helper.join(Duration.ofSeconds(30)));
  }

  @Test
  void memoryThatIsNoFilesIsLeftAlone() {
    try (Readahead readahead = new Readahead()) {
      MemorySegment other = arena.allocate(8);
      readahead.add(other);
      assertTrue(readahead.of(experts()).isEmpty());
      readahead.add(mapped);
      assertTrue(readahead.of(experts()).isPresent());
      readahead.remove(other);
      assertTrue(readahead.of(experts()).isPresent());
      readahead.remove(mapped);
      assertTrue(readahead.of(experts()).isEmpty());
    }
  }

  @Test
  void itCanBeTurnedOff() {
    System.setProperty("mla4j.readahead", "off");
    try (Readahead readahead = new Readahead()) {
      readahead.add(mapped);
      assertTrue(readahead.of(experts()).isEmpty());
      System.setProperty("mla4j.readahead", "perhaps");
      Exception e = assertThrows(InvalidArgumentException.class, Readahead::new);
      assertTrue(e.getMessage().contains("is perhaps, but must be auto or off"), e.getMessage());
    } finally {
      System.clearProperty("mla4j.readahead");
    }
  }

  @Test
  void pinnedPagesAreReadAndKeptUntilItIsClosed() throws IOException {
    long page = pages.pageBytes();
    List<MemorySegment> two = List.of(mapped.asSlice(100, 50), mapped.asSlice(3 * page - 10, page));
    try (PinnedMemory pinned = LockedPages.of(two)) {
      assertEquals(50 + page, pinned.bytes());
      assertTrue(isResident(0));
      assertTrue(isResident(2 * page));
      assertTrue(isResident(3 * page));
      assertEquals(3 * page, lockedBytes());
    }
    assertEquals(0, lockedBytes());
  }

  private static long lockedBytes() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmLck:")) {
        return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
      }
    }
    throw new AssertionError("no VmLck");
  }

  @Test
  @SuppressWarnings("restricted") // a segment of memory that is not there
  void whatTheSystemRefusesToPinIsNamedWithItsLimit() throws IOException {
    MemorySegment nowhere = MemorySegment.ofAddress(1L << 46).reinterpret(1 << 20);
    List<MemorySegment> segments = List.of(mapped.asSlice(0, 4096), nowhere);
    Mla4jException e = assertThrows(Mla4jException.class, () -> LockedPages.of(segments));
    assertTrue(e.getMessage().startsWith("the shared weights, 1052672 bytes"), e.getMessage());
    assertTrue(e.getMessage().contains("refused to keep 1048576 bytes more"), e.getMessage());
    assertTrue(e.getMessage().contains("ulimit -l"), e.getMessage());
    assertEquals(0, lockedBytes(), "what was pinned before it");
  }
}
