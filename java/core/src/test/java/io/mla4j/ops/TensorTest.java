package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.ScalarKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Given memory and a shape, when a tensor is laid over it, then it has these numbers or none. */
class TensorTest {
  private static MemorySegment memory(long bytes) {
    return Arena.ofAuto().allocate(bytes, 64);
  }

  /** 0, 1, 2, .. */
  private static Tensor counted(long... shape) {
    float[] values = new float[(int) (shape[0] * (shape.length > 1 ? shape[1] : 1))];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    return Tensor.of(memory(4L * values.length), StorageFormat.F32, shape).copyFrom(values);
  }

  private static void refuses(String part, Executable action) {
    String message = assertThrows(InvalidArgumentException.class, action).getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void shapesThatDoNotFitAreRefused() {
    MemorySegment memory = memory(64);
    StorageFormat f32 = StorageFormat.F32;
    refuses("positive number of dimensions", () -> Tensor.of(memory, f32));
    refuses(
        "same, positive number",
        () -> Tensor.strided(memory, f32, new long[] {4, 4}, new long[] {1}));
    refuses("negative entry", () -> Tensor.of(memory, f32, -1, 4));
    refuses(
        "negative entry", () -> Tensor.strided(memory, f32, new long[] {2, 4}, new long[] {-4, 1}));
    refuses(
        "last stride is 2",
        () -> Tensor.strided(memory, f32, new long[] {2, 2}, new long[] {4, 2}));
    refuses("needs 68 bytes, but the segment has 64", () -> Tensor.of(memory, f32, 17));
    refuses("overflows", () -> Tensor.of(memory, f32, 1L << 32, 1L << 32));
    refuses("overflows", () -> Tensor.of(memory, f32, 1L << 62));
    refuses(
        "overflows",
        () -> Tensor.strided(memory, f32, new long[] {3, 1}, new long[] {1L << 62, 1}));
    assertEquals(16, Tensor.of(memory, f32, 16).toArray().length);
    assertEquals(0, Tensor.of(memory(0), f32, 0, 4).toArray().length);
  }

  /** Rows of 40 elements take two blocks of 32 each, but for what the last one leaves out. */
  @Test
  void rowsAreFilledUpToWholeBlocks() {
    Tensor rows = Tensor.of(memory(4 * 34), StorageFormat.Q8_0, 2, 40);
    assertEquals(64, rows.stride(0));
    refuses("needs 136 bytes", () -> Tensor.of(memory(4 * 34 - 1), StorageFormat.Q8_0, 2, 40));
    refuses(
        "not apart by whole blocks of 32",
        () ->
            Tensor.strided(
                memory(1000), StorageFormat.Q8_0, new long[] {2, 32}, new long[] {40, 1}));
    try (Device device = new CpuDevice("test", new ScalarKernels(), CpuDevice.ARENA_ALLOCATOR, 1)) {
      assertEquals(64, Tensor.allocate(device, StorageFormat.Q8_0, 2, 40).stride(0));
      assertEquals(
          64, Mirror.allocate(device, Arena.ofAuto(), StorageFormat.Q8_0, 2, 40).host().stride(0));
    }
  }

  @Test
  void shapesThatNoMemoryHasAreNotAllocated() {
    try (Device device = new CpuDevice("test", new ScalarKernels(), CpuDevice.ARENA_ALLOCATOR, 1)) {
      for (long[] shape :
          new long[][] {{1L << 32, 1L << 32}, {Long.MAX_VALUE}, {2, Long.MAX_VALUE}}) {
        refuses("overflows", () -> Tensor.allocate(device, StorageFormat.Q8_0, shape));
        refuses(
            "overflows", () -> Mirror.allocate(device, Arena.ofAuto(), StorageFormat.Q8_0, shape));
      }
      refuses("-32", () -> Tensor.allocate(device, StorageFormat.F32, -1, 8));
    }
  }

  @Test
  void partsAreTheNumbersThatTheyName() {
    Tensor all = counted(3, 4);
    assertArrayEquals(new float[] {4, 5, 6, 7}, all.slice(1, 1).toArray());
    assertArrayEquals(new float[] {8, 9, 10, 11}, all.slice(2, 1).without(0).toArray());
    assertArrayEquals(new float[] {6, 7}, all.along(1, 2, 2).slice(1, 1).toArray());
    assertEquals(0, all.slice(3, 0).dim(0));
    refuses("rows 2..4 of a tensor with 3 rows", () -> all.slice(2, 2));
    refuses("rows -1..0", () -> all.slice(-1, 1));
    refuses("3 rows", () -> all.slice(1, -1));
    refuses("entries 3..5 of dimension 1", () -> all.along(1, 3, 2));
    refuses("dimension 1", () -> all.along(1, -1, 1));
    refuses("dimension 1", () -> all.along(1, 1, -1));
    refuses("cannot do without dimension 0", () -> all.without(0));
    refuses("cannot do without dimension 0", () -> counted(1).without(0));
  }

  /** A step may have no token in front of its last ones; its heads are sliced all the same. */
  @Test
  void aTensorWithoutRowsIsSlicedAlongItsOtherDimensions() {
    Tensor none = Tensor.of(memory(0), StorageFormat.F32, 0, 4, 8).along(2, 4, 4);
    assertEquals(0, none.dim(0));
    assertEquals(4, none.dim(2));
    assertEquals(0, none.segment().byteSize());
  }

  @Test
  void partsBeginWhereABlockDoes() {
    float[] some = new float[64];
    some[32] = 127;
    Tensor blocks = Tensor.of(memory(136), StorageFormat.Q8_0, 1, 64).copyFrom(some);
    assertEquals(127, blocks.along(1, 32, 32).toArray()[0]);
    refuses("do not begin a block of 32", () -> blocks.along(1, 16, 16));
    assertEquals(2, blocks.reshape(2, 32).dim(0));
    refuses("gaps", () -> blocks.first(1).reshape(4, 16));
  }

  @Test
  void anotherShapeHasTheSameNumbers() {
    Tensor all = counted(3, 4);
    assertArrayEquals(new float[] {6, 7, 8, 9, 10, 11}, all.reshape(2, 6).slice(1, 1).toArray());
    refuses("has 8 elements, but F32[3, 4] has 12", () -> all.reshape(2, 4));
    refuses("negative", () -> all.reshape(-3, -4));
    refuses("overflows", () -> all.reshape(1L << 32, 1L << 32));
    refuses("gaps", () -> all.along(1, 0, 2).reshape(6));
  }

  @Test
  void onlyAllNumbersAreCopied() {
    Tensor all = counted(3, 4);
    refuses("12 elements, but 11 are given", () -> all.copyFrom(new float[11]));
    refuses("int elements cannot be stored as F32", () -> all.copyFrom(new int[12]));
    refuses("gaps", () -> all.along(1, 0, 2).copyFrom(new float[6]));
    refuses("gaps", () -> all.along(1, 0, 2).toArray());
    Tensor many =
        Tensor.strided(memory(4), StorageFormat.F32, new long[] {1L << 31, 1}, new long[] {0, 1});
    refuses("more elements than an array", many::toArray);
  }
}
