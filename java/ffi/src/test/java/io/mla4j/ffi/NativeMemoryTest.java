package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.SequenceRows;
import io.mla4j.Step;
import io.mla4j.spi.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Memory outside of the heap: zeroed, aligned, committed when touched, freed with its arena. */
class NativeMemoryTest {
  @Test
  void zeroedAndAligned() {
    for (long bytes : new long[] {0, 1, 63, 64, 4096, 1_000_003, 5L << 20}) {
      try (Arena arena = Arena.ofShared()) {
        MemorySegment segment = NativeMemory.allocate(bytes, arena);
        assertEquals(bytes, segment.byteSize());
        assertEquals(0, segment.address() % 64);
        assertEquals(
            -1, segment.mismatch(MemorySegment.ofArray(new byte[(int) bytes])), bytes + " bytes");
        segment.fill((byte) 7);
      }
    }
  }

  @Test
  void freedWithItsArena() {
    MemorySegment segment;
    try (Arena arena = Arena.ofShared()) {
      segment = NativeMemory.allocate(100, arena);
    }
    assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    Arena closed = Arena.ofShared();
    closed.close();
    assertThrows(IllegalStateException.class, () -> NativeMemory.allocate(100, closed));
  }

  @Test
  void committedWhenTouched() throws IOException {
    Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/statm")), "no /proc");
    try (Arena arena = Arena.ofShared()) {
      long before = residentPages();
      MemorySegment segment = NativeMemory.allocate(2L << 30, arena);
      segment.set(ValueLayout.JAVA_BYTE, 1L << 30, (byte) 1);
      long grown = residentPages() - before;
      assertTrue(grown < 64 << 20 >> 12, grown + " pages became resident");
    }
  }

  @Test
  void aGrowingPoolTakesUpWhatItsSequencesNeed() throws IOException {
    Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/statm")), "no /proc");
    Natives.library();
    try (Device device = new NativeBackend().open(new Backend.Options(1, null));
        LatentCache cache =
            LatentCache.builder(device)
                .layout(new LatentLayout(512, 64, CacheType.BF16))
                .layers(27)
                .budgetBytes(8L << 30)
                .growing(true)
                .build()) {
      long before = residentPages();
      List<Sequence> sequences = new ArrayList<>();
      for (int i = 1; i <= 4; i++) {
        Sequence sequence = cache.newSequence();
        sequences.add(sequence);
        touch(cache, sequence, 1024);
        requireNear(i * 1024L * 27 * 1152, residentPages() - before);
      }
      sequences.get(1).close();
      sequences.get(3).truncate(512);
      requireNear(2560L * 27 * 1152, residentPages() - before);
      touch(cache, sequences.get(0), 2048);
      requireNear(4608L * 27 * 1152, residentPages() - before);
      assertEquals(4608L * 27 * 1152, cache.residentBytes());
      sequences.forEach(Sequence::close);
      requireNear(0, residentPages() - before);
    }
  }

  /** Appends tokens whose rows are written. */
  private static void touch(LatentCache cache, Sequence sequence, int tokens) throws IOException {
    try (Step step = Batch.of(sequence).reserve(tokens)) {
      step.commit();
    }
    fill(SequenceRows.of(sequence));
  }

  private static void fill(SequenceRows rows) throws IOException {
    for (int layer = 0; layer < rows.cache().layers(); layer++) {
      rows.write(new SequenceRows.Part(0, layer, false), bytes -> bytes.fill((byte) 1));
    }
  }

  private static void requireNear(long bytes, long pages) {
    long resident = pages << 12;
    assertTrue(
        Math.abs(resident - bytes) <= bytes / 10 + (16 << 20),
        resident + " bytes are resident, but " + bytes + " are used");
  }

  private static long residentPages() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
  }

  @Test
  void tooMuchIsATypedErrorThatNamesTheBytes() {
    try (Arena arena = Arena.ofShared()) {
      for (long bytes : new long[] {Long.MAX_VALUE, Long.MAX_VALUE / 2}) {
        BackendException e =
            assertThrows(BackendException.class, () -> NativeMemory.allocate(bytes, arena));
        assertTrue(e.getMessage().contains(Long.toString(bytes)), e.getMessage());
      }
    }
  }
}
