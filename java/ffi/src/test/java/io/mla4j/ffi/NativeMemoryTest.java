package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Memory outside of the heap: zeroed, aligned, committed when touched, freed with its arena. */
class NativeMemoryTest {
  @Test
  void zeroedAndAligned() {
    for (long bytes : new long[] {0, 1, 63, 64, 4096, 1_000_003, 5L << 20}) {
      try (Arena arena = Arena.ofShared()) {
        MemorySegment segment = NativeMemory.SYSTEM.allocate(bytes, arena);
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
      segment = NativeMemory.SYSTEM.allocate(100, arena);
    }
    assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    Arena closed = Arena.ofShared();
    closed.close();
    assertThrows(IllegalStateException.class, () -> NativeMemory.SYSTEM.allocate(100, closed));
  }

  @Test
  void committedWhenTouched() throws IOException {
    Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/statm")), "no /proc");
    try (Arena arena = Arena.ofShared()) {
      long before = residentPages();
      MemorySegment segment = NativeMemory.SYSTEM.allocate(2L << 30, arena);
      segment.set(ValueLayout.JAVA_BYTE, 1L << 30, (byte) 1);
      long grown = residentPages() - before;
      assertTrue(grown < 64 << 20 >> 12, grown + " pages became resident");
    }
  }

  private static long residentPages() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
  }

  @Test
  void tooMuchIsATypedErrorThatNamesTheBytes() {
    try (Arena arena = Arena.ofShared()) {
      for (long bytes : new long[] {Long.MAX_VALUE, Long.MAX_VALUE / 2}) {
        BackendException e =
            assertThrows(BackendException.class, () -> NativeMemory.SYSTEM.allocate(bytes, arena));
        assertTrue(e.getMessage().contains(Long.toString(bytes)), e.getMessage());
      }
    }
  }
}
