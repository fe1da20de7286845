package io.mla4j.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MappedWatch;
import io.mla4j.Mla4jException;
import io.mla4j.TestTensors;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a device tells of itself, and what it leaves to where its memory comes from. */
class CpuDeviceTest {
  private final Memory memory = new Memory();

  /** Takes the advice for long segments only. */
  private static final class Memory implements CpuDevice.Allocator, MappedWatch {
    boolean lost;
    boolean closed;
    boolean full;
    final List<MemorySegment> allocated = new ArrayList<>();

    @Override
    public MemorySegment allocate(long bytes, Arena arena) {
      if (full) {
        throw new OutOfMemoryError();
      }
      allocated.add(arena.allocate(bytes, 64));
      return allocated.getLast();
    }

    @Override
    public boolean commitOnTouch(MemorySegment memory) {
      return memory.byteSize() > 10;
    }

    @Override
    public boolean giveBack(MemorySegment memory) {
      return memory.byteSize() > 20;
    }

    @Override
    public MappedWatch watch(MemorySegment mapped) {
      return this;
    }

    @Override
    public boolean lost() {
      return lost;
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  private CpuDevice device(int threads) {
    return new CpuDevice("test", new ScalarKernels(), memory, threads);
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, CpuDevice.MAX_THREADS + 1})
  void threadsThatNoMachineHasAreRefused(int threads) {
    Exception e = assertThrows(InvalidArgumentException.class, () -> device(threads));
    assertEquals("threads is " + threads + ", but must be in 0..1024", e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, CpuDevice.MAX_THREADS})
  void itHasAsManyThreadsAsAskedForOrOneForEachCore(int threads) {
    try (CpuDevice device = device(threads)) {
      assertEquals(threads == 0 ? Processors.physicalCores() : threads, device.threads());
      assertEquals("test", device.backend());
      assertEquals("scalar", device.isa());
      assertTrue(device.hostAccessible());
    }
  }

  @Test
  void memoryThatCannotBeHadIsNamed() {
    try (CpuDevice device = device(1);
        Arena arena = Arena.ofConfined()) {
      assertEquals(0, device.allocate(0, arena).byteSize());
      Exception negative =
          assertThrows(InvalidArgumentException.class, () -> device.allocate(-1, arena));
      assertEquals("bytes is -1, but must not be negative", negative.getMessage());
      memory.full = true;
      Exception e = assertThrows(Mla4jException.class, () -> device.allocate(30, arena));
      assertEquals("not enough memory for 30 bytes", e.getMessage());
    }
  }

  @Test
  void adviceIsForWhereItsMemoryComesFrom() {
    try (CpuDevice device = device(1);
        Arena arena = Arena.ofConfined()) {
      MemorySegment segment = device.allocate(30, arena);
      assertTrue(device.commitOnTouch(segment));
      assertFalse(device.commitOnTouch(segment.asSlice(0, 10)));
      assertTrue(device.giveBack(segment));
      assertFalse(device.giveBack(segment.asSlice(0, 20)));
      assertFalse(CpuDevice.ARENA_ALLOCATOR.commitOnTouch(segment));
      assertFalse(CpuDevice.ARENA_ALLOCATOR.giveBack(segment));
    }
  }

  @Test
  void watchTellsWhatWasLostAndEndsWithIt() {
    try (CpuDevice device = device(1);
        Arena arena = Arena.ofConfined()) {
      try (MappedWatch watch = device.watch(arena.allocate(8))) {
        assertFalse(watch.lost());
        memory.lost = true;
        assertTrue(watch.lost());
        assertFalse(memory.closed);
      }
      assertTrue(memory.closed);
    }
  }

  @Test
  void closeFreesTheWorkspaces() {
    Random random = new Random(1);
    Weight weight = TestTensors.weight(random, StorageFormat.F32, 1, 64, 64);
    Tensor x = TestTensors.random(random, 1, 4, 64);
    try (CpuDevice device = device(1)) {
      FeedForward.Weights network = new FeedForward.Weights(weight, weight, weight);
      device.run(new FeedForward(x, network, ComputeType.F32, TestTensors.poisoned(4, 64)));
      assertTrue(memory.allocated.stream().anyMatch(s -> s.scope().isAlive()));
    }
    assertTrue(memory.allocated.stream().noneMatch(s -> s.scope().isAlive()));
  }
}
