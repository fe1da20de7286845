package io.mla4j.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.mla4j.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory of the C library: where it begins, how long it lives, which of it is taken away. */
@SuppressWarnings("restricted") // as the modules that give their permission
class SystemMemoryTest {
  /** A multiple of the pages of any processor. */
  private static final int PAGE = 64 << 10;

  private final Permission permission = new Permission();
  private final SystemMemory memory = new SystemMemory(permission);

  /** Notes what is allocated and what is freed. */
  private static final class Permission implements NativeAccess {
    final List<Long> allocated = new ArrayList<>();
    final List<Long> freed = new ArrayList<>();
    boolean refuses;

    @Override
    public MethodHandle link(MemorySegment symbol, FunctionDescriptor function) {
      MethodHandle linked = Linker.nativeLinker().downcallHandle(symbol, function);
      if (function.equals(SystemMemory.LIKE_CALLOC)) {
        return MethodHandles.filterReturnValue(linked, noting(allocated));
      }
      return function.equals(SystemMemory.LIKE_FREE)
          ? MethodHandles.filterArguments(linked, 0, noting(freed))
          : linked;
    }

    private static MethodHandle noting(List<Long> addresses) {
      MethodType type = MethodType.methodType(MemorySegment.class, List.class, MemorySegment.class);
      try {
        MethodHandle note = MethodHandles.lookup().findStatic(Permission.class, "note", type);
        return note.bindTo(addresses);
      } catch (ReflectiveOperationException e) {
        throw new AssertionError(e);
      }
    }

    private static MemorySegment note(List<Long> addresses, MemorySegment address) {
      addresses.add(address.address());
      return address;
    }

    @Override
    public MemorySegment reinterpret(
        MemorySegment segment, long bytes, Arena arena, Consumer<MemorySegment> cleanup) {
      if (refuses) {
        throw new IllegalCallerException("no permission");
      }
      return segment.reinterpret(bytes, arena, cleanup);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 64, 1000, (4 << 20) - 1, (4 << 20) + 1})
  void everyByteOfItIsZeroAndAligned(long bytes) {
    for (int i = 0; i < 20; i++) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment segment = memory.allocate(bytes, arena);
        assertEquals(bytes, segment.byteSize());
        assertEquals(0, segment.address() % 64);
        assertEquals(-1, segment.mismatch(MemorySegment.ofArray(new byte[(int) bytes])));
        segment.fill((byte) 1);
      }
    }
  }

  @Test
  void itIsFreedWithItsArena() {
    try (Arena arena = Arena.ofConfined()) {
      memory.allocate(100, arena);
      memory.allocate(5 << 20, arena);
      assertEquals(List.of(), permission.freed);
    }
    assertEquals(2, permission.freed.size());
    assertEquals(Set.copyOf(permission.allocated), Set.copyOf(permission.freed));
  }

  @Test
  void itIsFreedWhereTheJvmRefusesIt() {
    permission.refuses = true;
    assertThrows(IllegalCallerException.class, () -> memory.allocate(100, Arena.ofAuto()));
    assertEquals(1, permission.allocated.size());
    assertEquals(permission.allocated, permission.freed);
  }

  @ParameterizedTest
  @ValueSource(longs = {1L << 60, Long.MAX_VALUE})
  void moreThanTheSystemHasIsRefused(long bytes) {
    Exception e =
        assertThrows(BackendException.class, () -> memory.allocate(bytes, Arena.ofAuto()));
    assertEquals("the system refused " + bytes + " bytes of memory", e.getMessage());
    assertEquals(List.of(), permission.freed);
  }

  @ParameterizedTest
  @CsvSource({"65536, 262144", "65537, 262144", "65536, 262143", "1, 65535", "70000, 70010"})
  void wholePagesAreTakenAwayAndNothingBesideThem(int from, int to) {
    assumeTrue(System.getProperty("os.name").equals("Linux"), "no such advice");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment allocated = memory.allocate(6 * PAGE, arena);
      MemorySegment pages = allocated.asSlice(-allocated.address() & PAGE - 1, 5 * PAGE);
      assertTrue(memory.commitOnTouch(pages));
      pages.fill((byte) 1);
      assertTrue(memory.giveBack(pages.asSlice(from, to - from)));
      for (int at = 0; at < pages.byteSize(); at++) {
        int page = at / PAGE * PAGE;
        byte value = pages.get(ValueLayout.JAVA_BYTE, at);
        if (at < from || at >= to) {
          assertEquals(1, value, "byte " + at + " was taken away");
        } else if (page >= from && page + PAGE <= to) {
          assertEquals(0, value, "byte " + at + " is still there");
        }
      }
    }
  }

  @Test
  void pagesThatTheSystemKeepsAreNotGivenBack() {
    FilePages pages = FilePages.ofSystem().orElse(null);
    assumeTrue(pages != null, "no such functions here");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment allocated = memory.allocate(2 * PAGE, arena);
      MemorySegment page = allocated.asSlice(-allocated.address() & PAGE - 1, PAGE);
      pages.lock(page);
      page.fill((byte) 1);
      assertFalse(memory.giveBack(page));
      assertEquals(1, page.get(ValueLayout.JAVA_BYTE, 0));
      pages.unlock(page);
      assertTrue(memory.giveBack(page));
      assertEquals(0, page.get(ValueLayout.JAVA_BYTE, 0));
    }
  }
}
