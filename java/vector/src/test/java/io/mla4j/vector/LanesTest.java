package io.mla4j.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Widening is exact, and what reorders numbers can be undone. */
class LanesTest {
  private static final int VALUES = 1 << 16;

  @Test
  void everyBinary16NumberIsWidenedExactly() {
    short[] stored = new short[VALUES];
    for (int i = 0; i < VALUES; i++) {
      stored[i] = (short) i;
    }
    float[] widened = new float[VALUES];
    Lanes.widen(StorageFormat.F16, MemorySegment.ofArray(stored), 0, widened, 0, VALUES);
    for (int i = 0; i < VALUES; i++) {
      float expected = Float.float16ToFloat((short) i);
      assertEquals(Float.floatToIntBits(expected), Float.floatToIntBits(widened[i]), "of " + i);
    }
  }

  @Test
  void everyBfloat16NumberIsWidenedExactly() {
    short[] stored = new short[VALUES];
    for (int i = 0; i < VALUES; i++) {
      stored[i] = (short) i;
    }
    float[] widened = new float[VALUES];
    Lanes.widen(StorageFormat.BF16, MemorySegment.ofArray(stored), 0, widened, 0, VALUES);
    for (int i = 0; i < VALUES; i++) {
      float expected = Float.intBitsToFloat(i << 16);
      assertEquals(Float.floatToIntBits(expected), Float.floatToIntBits(widened[i]), "of " + i);
    }
  }

  @Test
  void stepsAreTheFormatsAtAnyLength() {
    byte[] stored = new byte[256 + 16];
    for (int i = 0; i < stored.length; i++) {
      stored[i] = (byte) (37 * i);
    }
    MemorySegment segment = MemorySegment.ofArray(stored);
    for (int n : new int[] {2, 16, 30, 2 * stored.length}) {
      float[] expected = new float[n];
      StorageFormat.NL4.widen(segment, 0, expected, 0, n);
      float[] widened = new float[n];
      Lanes.widen(StorageFormat.NL4, segment, 0, widened, 0, n);
      assertArrayEquals(expected, widened);
    }
  }

  @Test
  void joinUndoesSplit() {
    int n = 6 * Lanes.L;
    float[] m = new float[2 * n];
    for (int i = 0; i < n; i++) {
      m[i] = i;
    }
    Lanes.split(m, 0, n, n);
    assertEquals(2, m[n + 1], "even ones first");
    assertEquals(1, m[n + Lanes.L], "odd ones behind them");
    Lanes.join(m, n, n);
    assertEquals(0, Arrays.mismatch(m, 0, n, m, n, 2 * n) + 1);
  }
}
