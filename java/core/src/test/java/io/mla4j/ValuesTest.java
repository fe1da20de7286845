package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Bf16;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Tensors, bfloat16, and the ranges of records. */
class ValuesTest {
  private static final MemorySegment MEMORY = Arena.ofAuto().allocate(240, 64);

  private static void assertRefused(Runnable action) {
    assertThrows(InvalidArgumentException.class, action::run);
  }

  @Test
  void tensorsFitTheirMemory() {
    assertEquals(60, Tensor.of(MEMORY, StorageFormat.F32, 60).dim(0));
    assertRefused(() -> Tensor.of(MEMORY, StorageFormat.F32, 61));
    assertRefused(() -> Tensor.of(MEMORY, StorageFormat.F32, -1));
    assertRefused(() -> Tensor.of(MEMORY, StorageFormat.F32));
    assertRefused(() -> Tensor.of(MEMORY, StorageFormat.F32, 1L << 32, 1L << 32));
    assertRefused(() -> Tensor.of(MEMORY, StorageFormat.F32, Long.MAX_VALUE / 2));
    assertRefused(
        () -> Tensor.strided(MEMORY, StorageFormat.F32, new long[] {3, 20}, new long[] {21, 1}));
    assertRefused(
        () -> Tensor.strided(MEMORY, StorageFormat.F32, new long[] {3, 20}, new long[] {20, 2}));
    assertRefused(
        () ->
            Tensor.strided(MEMORY, StorageFormat.F32, new long[] {2, 2}, new long[] {1L << 62, 1}));
  }

  @Test
  void slicesAndReshapesStayInside() {
    Tensor tensor = Tensor.of(MEMORY, StorageFormat.F32, 6, 10);
    assertEquals(MEMORY.address() + 80, tensor.slice(2, 3).segment().address());
    assertEquals(3, tensor.slice(2, 3).dim(0));
    assertEquals(0, tensor.slice(6, 0).dim(0));
    assertRefused(() -> tensor.slice(4, 3));
    assertRefused(() -> tensor.slice(-1, 1));
    assertRefused(() -> tensor.slice(Long.MAX_VALUE, 2));
    assertEquals(20, tensor.reshape(3, 20).dim(1));
    assertRefused(() -> tensor.reshape(7, 9));
    Tensor gaps = Tensor.strided(MEMORY, StorageFormat.F32, new long[] {3, 10}, new long[] {20, 1});
    assertRefused(() -> gaps.reshape(30));
  }

  @Test
  void bf16RoundsToTheNearestEven() {
    assertEquals(1f, Bf16.round(1f));
    assertEquals(1f, Bf16.round(1f + 0x1p-8f)); // a tie, down to the even one
    assertEquals(1f + 0x1p-6f, Bf16.round(1f + 3 * 0x1p-8f)); // a tie, up to the even one
    assertEquals(1f + 0x1p-7f, Bf16.round(Math.nextUp(1f + 0x1p-8f)));
    assertEquals(Float.POSITIVE_INFINITY, Bf16.round(Float.MAX_VALUE));
    assertEquals(Float.NEGATIVE_INFINITY, Bf16.round(Float.NEGATIVE_INFINITY));
    assertTrue(Float.isNaN(Bf16.round(Float.intBitsToFloat(0x7fffffff))));
    assertTrue(Float.isNaN(Bf16.round(Float.intBitsToFloat(0x7f800001))));
    Random random = new Random(1);
    for (int i = 0; i < 10_000; i++) {
      float x = Float.intBitsToFloat(random.nextInt());
      if (Float.isFinite(x) && Float.isFinite(Bf16.round(x))) {
        float below = Bf16.toFloat((short) (Float.floatToRawIntBits(x) >>> 16));
        float error = Math.abs(Bf16.round(x) - x);
        assertTrue(error <= Math.abs(below - x));
        assertEquals(Bf16.round(x), Bf16.toFloat(Bf16.fromFloat(x)));
      }
    }
  }

  @Test
  void shapesAndRoutingsNameWhatIsOutOfRange() {
    assertRefused(() -> new MlaShape(0, 1, 0, 1, 1));
    assertRefused(() -> new MlaShape(1, 0, 0, 1, 1));
    assertRefused(() -> new MlaShape(1, 4097, 0, 1, 1));
    assertRefused(() -> new MlaShape(1, 1, 3, 1, 1));
    assertRefused(() -> new MlaShape(1, 1, 0, 0, 1));
    assertRefused(() -> new MlaShape(1, 1, 0, 1, 0));
    assertRefused(() -> routing(0, 1, 1, 1));
    assertRefused(() -> routing(4, 5, 1, 1));
    assertRefused(() -> routing(4, 1, 3, 1));
    assertRefused(() -> routing(4, 1, 2, 3));
    assertRefused(() -> routing(8, 5, 2, 1));
    assertRefused(() -> routing(4, 1, 4, 1));
    assertEquals(4, routing(8, 4, 2, 1).topK());
    for (float scale : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      assertRefused(() -> AttentionScore.of(scale));
    }
  }

  private static Routing routing(int experts, int topK, int groups, int kept) {
    return new Routing(
        experts,
        topK,
        Routing.Score.SIGMOID,
        groups,
        kept,
        Routing.GroupScore.TOP2_SUM,
        Routing.GroupMask.ZERO,
        true,
        1);
  }
}
