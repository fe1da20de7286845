package io.mla4j.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Guarded memory guards: what it promises about accesses beyond a block happens. */
class GuardedMemoryTest {
  @ParameterizedTest
  @CsvSource({"0, 4", "4, 4", "10, 2", "64, 64", "100, 64", "70000, 4", "65536, 64"})
  void blocksAreAlignedPoisonedAndOfTheExactSize(long bytes, int alignment) {
    try (GuardedMemory memory = new GuardedMemory()) {
      MemorySegment block = memory.allocate(bytes, alignment);
      assertEquals(bytes, block.byteSize());
      assertEquals(0, block.address() % alignment);
      for (long i = 0; i + 4 <= bytes; i += 4) {
        assertTrue(Float.isNaN(block.get(ValueLayout.JAVA_FLOAT_UNALIGNED, i)));
      }
      assertThrows(IndexOutOfBoundsException.class, () -> block.get(ValueLayout.JAVA_BYTE, bytes));
      memory.verify();
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, -4, -64, 100, 127})
  void writesAroundABlockAreFound(long at) {
    try (GuardedMemory memory = new GuardedMemory()) {
      MemorySegment block = memory.allocate(100, 64);
      long start = 4096;
      MemorySegment.ofAddress(block.address() - start)
          .reinterpret(start + 128)
          .set(ValueLayout.JAVA_BYTE, start + at, (byte) 7);
      AssertionError e = assertThrows(AssertionError.class, memory::verify);
      assertTrue(e.getMessage().contains("at byte " + at), e.getMessage());
    }
  }

  @EnabledOnOs(OS.LINUX)
  @ParameterizedTest
  @ValueSource(strings = {"read", "write"})
  void accessesBeyondABlockKillTheProcess(String access, @TempDir Path folder) throws Exception {
    assertEquals(0, run("within", folder), "an access within the block");
    assertNotEquals(0, run(access, folder));
  }

  private static int run(String access, Path folder) throws Exception {
    return new ProcessBuilder(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:-CreateCoredumpOnCrash",
                "-XX:ErrorFile=" + folder.resolve("crash.log"),
                "-cp",
                System.getProperty("java.class.path"),
                Trespasser.class.getName(),
                access))
        .directory(folder.toFile())
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start()
        .waitFor();
  }

  /** A process that does what a broken kernel does. */
  static final class Trespasser {
    private Trespasser() {}

    public static void main(String[] arguments) {
      try (GuardedMemory memory = new GuardedMemory()) {
        MemorySegment block = memory.allocate(36, 4);
        MemorySegment more = MemorySegment.ofAddress(block.address()).reinterpret(40);
        switch (arguments[0]) {
          case "within" -> more.set(ValueLayout.JAVA_FLOAT, 32, 1);
          case "read" -> more.get(ValueLayout.JAVA_FLOAT, 36);
          default -> more.set(ValueLayout.JAVA_FLOAT, 36, 1);
        }
      }
    }
  }

  /** More mappings than Linux lets a process have at once. */
  @Test
  void closingGivesEverythingBack() {
    for (int i = 0; i < 30_000; i++) {
      try (GuardedMemory memory = new GuardedMemory()) {
        memory.allocate(4, 4);
      }
    }
  }
}
