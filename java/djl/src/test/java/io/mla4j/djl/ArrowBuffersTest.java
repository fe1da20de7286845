package io.mla4j.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.OutOfMemoryException;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;

/** Given memory of Arrow or of an arena, when the other side uses it, then it is one. */
class ArrowBuffersTest {
  @Test
  void tensorRetainsTheBufferUntilTheArenaIsClosed() {
    try (BufferAllocator allocator = new RootAllocator()) {
      Tensor tensor;
      try (Arena arena = Arena.ofShared()) {
        ArrowBuf buffer = allocator.buffer(24);
        tensor = ArrowBuffers.tensor(buffer, arena, StorageFormat.F32, 2, 3);
        tensor.copyFrom(1f, 2, 3, 4, 5, 6);
        assertEquals(6, buffer.getFloat(20));
        buffer.setFloat(0, 9);
        buffer.close();
        assertArrayEquals(new float[] {9, 2, 3, 4, 5, 6}, tensor.toArray());
        assertTrue(allocator.getAllocatedMemory() > 0);
      }
      assertEquals(0, allocator.getAllocatedMemory());
      assertThrows(IllegalStateException.class, tensor::toArray);
    }
  }

  @Test
  void bufferOwnsTheArenaThatItIsGiven() {
    Arena arena = Arena.ofShared();
    Tensor tensor = Tensor.of(arena.allocate(12, 64), StorageFormat.F32, 3).copyFrom(1f, 2, 3);
    try (BufferAllocator allocator = new RootAllocator()) {
      ArrowBuf buffer = ArrowBuffers.buffer(allocator, tensor, arena);
      assertEquals(12, buffer.capacity());
      assertEquals(2, buffer.getFloat(4));
      buffer.setFloat(4, 7);
      assertArrayEquals(new float[] {1, 7, 3}, tensor.toArray());
      assertEquals(12, allocator.getAllocatedMemory());

      buffer.getReferenceManager().retain();
      buffer.close();
      assertTrue(arena.scope().isAlive());
      buffer.close();
      assertFalse(arena.scope().isAlive());
    }
  }

  @Test
  void automaticArenaIsHeld() {
    Arena arena = Arena.ofAuto();
    Tensor tensor = Tensor.of(arena.allocate(4, 64), StorageFormat.F32, 1).copyFrom(5f);
    try (BufferAllocator allocator = new RootAllocator();
        ArrowBuf buffer = ArrowBuffers.buffer(allocator, tensor, arena)) {
      assertEquals(5, buffer.getFloat(0));
    }
    assertEquals(5, tensor.toArray()[0]);
  }

  @Test
  void whatCannotBeSharedIsRefused() {
    try (BufferAllocator allocator = new RootAllocator(1024);
        Arena arena = Arena.ofShared()) {
      ArrowBuf buffer = allocator.buffer(16);
      assertThrows(
          InvalidArgumentException.class,
          () -> ArrowBuffers.tensor(buffer, arena, StorageFormat.F32, 2, 3));
      Arena closed = Arena.ofShared();
      closed.close();
      assertThrows(
          IllegalStateException.class,
          () -> ArrowBuffers.tensor(buffer, closed, StorageFormat.F32, 4));
      assertEquals(1, buffer.refCnt());
      buffer.close();
      assertThrows(
          ClosedException.class, () -> ArrowBuffers.tensor(buffer, arena, StorageFormat.F32, 4));

      Tensor heap = Tensor.of(MemorySegment.ofArray(new float[2]), StorageFormat.F32, 2);
      assertThrows(
          InvalidArgumentException.class, () -> ArrowBuffers.buffer(allocator, heap, arena));
      Tensor large = Tensor.of(arena.allocate(2048, 64), StorageFormat.F32, 512);
      assertThrows(OutOfMemoryException.class, () -> ArrowBuffers.buffer(allocator, large, arena));
    }
  }
}
