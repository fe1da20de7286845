package io.mla4j.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Given memory of DJL's PyTorch engine or of an arena, when the other side uses it, then it is one.
 */
@Torch.Required
class DjlArraysTest {
  private NDManager manager;

  @BeforeEach
  void open() {
    manager = NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch");
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private static void collectGarbage() throws InterruptedException {
    for (int i = 0; i < 5; i++) {
      System.gc();
      Thread.sleep(20);
      ByteBuffer.allocateDirect(1 << 16).put(0, (byte) 1); // would lie where something was freed
    }
  }

  @Test
  void tensorAndArrayAreOneMemory() {
    try (Arena arena = Arena.ofShared()) {
      NDArray array = manager.zeros(new Shape(2, 3));
      Tensor tensor = DjlArrays.tensor(array, arena);
      assertEquals("F32[2, 3]", tensor.toString());

      tensor.copyFrom(1f, 2, 3, 4, 5, 6);
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, array.toFloatArray());
      array.muli(2);
      assertArrayEquals(new float[] {2, 4, 6, 8, 10, 12}, tensor.toArray());
    }
  }

  @Test
  void arrayOverATensorIsOneMemory() {
    try (Arena arena = Arena.ofShared()) {
      Tensor tensor =
          Tensor.of(arena.allocate(24, 64), StorageFormat.F32, 2, 3).copyFrom(1f, 2, 3, 4, 5, 6);
      NDArray array = DjlArrays.array(manager, tensor, arena);
      assertEquals(new Shape(2, 3), array.getShape());

      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, array.toFloatArray());
      array.addi(1);
      assertArrayEquals(new float[] {2, 3, 4, 5, 6, 7}, tensor.toArray());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DataType.class,
      names = {"FLOAT32", "FLOAT16"})
  void numbersAreTheSameInEachType(DataType type) {
    try (Arena arena = Arena.ofShared()) {
      NDArray array = manager.create(new float[] {1.5f, -2, 0.25f, 96}).toType(type, true);
      Tensor tensor = DjlArrays.tensor(array, arena);
      assertArrayEquals(new float[] {1.5f, -2, 0.25f, 96}, tensor.toArray());
      NDArray back = DjlArrays.array(manager, tensor, arena);
      assertEquals(type, back.getDataType());
      assertArrayEquals(
          new float[] {1.5f, -2, 0.25f, 96}, back.toType(DataType.FLOAT32, true).toFloatArray());
    }
  }

  @Test
  void rowsOfAnArrayAreATensorToo() {
    try (Arena arena = Arena.ofShared()) {
      NDArray array = manager.arange(12f).reshape(4, 3);
      Tensor rows = DjlArrays.tensor(array.get("1:3"), arena);
      assertArrayEquals(new float[] {3, 4, 5, 6, 7, 8}, rows.toArray());
    }
  }

  @Test
  void memoryOfTorchStaysUntilTheArenaIsClosed() throws InterruptedException {
    Tensor tensor;
    try (Arena arena = Arena.ofShared()) {
      NDArray array = manager.ones(new Shape(1000));
      tensor = DjlArrays.tensor(array, arena);
      array.close();
      manager.ones(new Shape(1000)).muli(7); // torch would give it what was freed
      assertEquals(1, tensor.toArray()[999]);
      manager.close();
      assertEquals(1, tensor.toArray()[0]);
    }
    assertThrows(IllegalStateException.class, tensor::toArray);
  }

  @Test
  void memoryThatJavaMadeForAnArrayStaysToo() throws InterruptedException {
    float[] numbers = new float[4096];
    numbers[4095] = 5;
    try (Arena arena = Arena.ofShared()) {
      NDArray array = manager.create(numbers);
      Tensor tensor = DjlArrays.tensor(array, arena);
      array.close();
      collectGarbage();
      assertArrayEquals(numbers, tensor.toArray());
    }
  }

  @Test
  void endOfAScopeDoesNotEndTheTensor() {
    try (Arena arena = Arena.ofShared()) {
      Tensor tensor;
      try (NDScope scope = new NDScope()) {
        scope.suppressNotUsedWarning();
        tensor = DjlArrays.tensor(manager.ones(new Shape(3)), arena);
      }
      assertArrayEquals(new float[] {1, 1, 1}, tensor.toArray());
    }
  }

  @Test
  void arrayEndsWithTheArenaOfItsMemory() {
    NDArray array;
    try (Arena arena = Arena.ofShared()) {
      Tensor tensor = Tensor.of(arena.allocate(16, 64), StorageFormat.F32, 4);
      array = DjlArrays.array(manager, tensor, arena);
    }
    assertThrows(IllegalStateException.class, array::toFloatArray);
  }

  @Test
  void arrayHoldsMemoryOfAnAutomaticArena() throws InterruptedException {
    Arena automatic = Arena.ofAuto();
    MemorySegment memory = automatic.allocate(4096 * 4, 64);
    memory.setAtIndex(ValueLayout.JAVA_FLOAT, 4095, 3);
    NDArray array = DjlArrays.array(manager, Tensor.of(memory, StorageFormat.F32, 4096), automatic);
    automatic = null;
    memory = null;
    collectGarbage();
    assertEquals(3, array.toFloatArray()[4095]);
  }

  @Test
  void whatCannotBeSharedIsRefusedByName() {
    try (Arena arena = Arena.ofShared()) {
      assertRefused("is not contiguous", manager.ones(new Shape(2, 3)).transpose(), arena);
      assertRefused("float64", manager.ones(new Shape(2), DataType.FLOAT64), arena);
      assertRefused("must have elements", manager.create(1f), arena);
      assertRefused("array is null", (NDArray) null, arena);

      Tensor gaps =
          Tensor.strided(
              arena.allocate(64, 64), StorageFormat.F32, new long[] {2, 2}, new long[] {4, 1});
      assertRefused("with gaps", gaps, arena);
      assertRefused(
          "in the heap",
          Tensor.of(MemorySegment.ofArray(new float[4]), StorageFormat.F32, 4),
          arena);
      assertRefused(
          "no type for BF16", Tensor.of(arena.allocate(4, 64), StorageFormat.BF16, 2), arena);
      assertRefused(
          "no type for Q8_0", Tensor.of(arena.allocate(34, 64), StorageFormat.Q8_0, 32), arena);
    }
    Arena closed = Arena.ofShared();
    closed.close();
    NDArray array = manager.ones(new Shape(2));
    assertThrows(IllegalStateException.class, () -> DjlArrays.tensor(array, closed));
    array.close();
    assertThrows(IllegalStateException.class, () -> DjlArrays.tensor(array, Arena.ofAuto()));
  }

  private static void assertRefused(String part, NDArray array, Arena arena) {
    String message =
        assertThrows(InvalidArgumentException.class, () -> DjlArrays.tensor(array, arena))
            .getMessage();
    assertTrue(message.contains(part), message);
  }

  private void assertRefused(String part, Tensor tensor, Arena arena) {
    String message =
        assertThrows(InvalidArgumentException.class, () -> DjlArrays.array(manager, tensor, arena))
            .getMessage();
    assertTrue(message.contains(part), message);
  }
}
