package io.mla4j.position;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.RopeLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Cosines and sines by position and length. */
class RopeTableTest {
  private final Arena arena = Arena.ofAuto();

  private static RopeTable table(int width, RopeScaling scaling) {
    return new RopeTable(new RopeEncoding(width, 1e4, RopeLayout.PAIRS, scaling));
  }

  private MemorySegment floats(int count) {
    return arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(count, 1));
  }

  private static float at(MemorySegment segment, int index) {
    return segment.getAtIndex(ValueLayout.JAVA_FLOAT, index);
  }

  @Test
  void anglesAreFloatProducts() {
    RopeTable table = table(64, new RopeScaling.Yarn(40, 4096, 32, 1, true, 1.25));
    float[] inverse = table.encoding().scaling().inverseFrequencies(64, 1e4, 1);
    MemorySegment cosines = floats(3 * 32);
    MemorySegment sines = floats(3 * 32);
    table.fill(100_000, 3, 100_003, cosines, sines);
    for (int row = 0; row < 3; row++) {
      for (int i = 0; i < 32; i++) {
        float angle = (100_000 + row) * inverse[i];
        assertEquals((float) Math.cos(angle) * 1.25f, at(cosines, row * 32 + i));
        assertEquals((float) Math.sin(angle) * 1.25f, at(sines, row * 32 + i));
      }
    }
  }

  @Test
  void frequenciesFollowTheLength() {
    RopeTable table = table(8, new RopeScaling.DynamicNtk(4, 24));
    MemorySegment shortCosines = floats(4);
    MemorySegment longCosines = floats(4);
    MemorySegment again = floats(4);
    table.fill(20, 1, 24, shortCosines, floats(4));
    table.fill(20, 1, 72, longCosines, floats(4));
    table.fill(20, 1, 24, again, floats(4));
    assertTrue(at(shortCosines, 1) != at(longCosines, 1));
    assertEquals(-1, shortCosines.mismatch(again));
  }

  @Test
  void nothingToRotate() {
    table(0, new RopeScaling.Unscaled()).fill(5, 7, 12, floats(0), floats(0));
    MemorySegment cosines = floats(4);
    MemorySegment sines = floats(4);
    table(4, new RopeScaling.NoRotation()).fill(9, 2, 11, cosines, sines);
    for (int i = 0; i < 4; i++) {
      assertEquals(1, at(cosines, i));
      assertEquals(0, at(sines, i));
    }
  }

  @Test
  void threadsMayShareATable() throws Exception {
    RopeTable table = table(8, new RopeScaling.DynamicNtk(4, 24));
    float[][] expected = new float[200][];
    for (int length = 1; length < 200; length++) {
      expected[length] = table.encoding().scaling().inverseFrequencies(8, 1e4, length);
    }
    AtomicInteger wrong = new AtomicInteger();
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      int offset = t;
      threads.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    MemorySegment cosines = floats(4);
                    for (int n = 0; n < 20_000; n++) {
                      int length = 1 + (n * 7 + offset) % 199;
                      table.fill(length - 1, 1, length, cosines, floats(4));
                      float angle = (length - 1) * expected[length][2];
                      if (at(cosines, 2) != (float) Math.cos(angle)) {
                        wrong.incrementAndGet();
                      }
                    }
                  }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(0, wrong.get());
  }

  @Test
  void badArgumentsAreNamed() {
    RopeTable table = table(8, new RopeScaling.Unscaled());
    assertNamed("positions", () -> table.fill(-1, 1, 1, floats(4), floats(4)));
    assertNamed("positions", () -> table.fill(Integer.MAX_VALUE, 1, 1, floats(4), floats(4)));
    assertNamed("totalLength", () -> table.fill(4, 2, 5, floats(8), floats(8)));
    assertNamed("cosines", () -> table.fill(0, 2, 2, floats(7), floats(8)));
    assertNamed("sines", () -> table.fill(0, 2, 2, floats(8), floats(7)));
    assertNamed("width", () -> table(7, new RopeScaling.Unscaled()));
    assertNamed("width", () -> table(-2, new RopeScaling.Unscaled()));
    assertNamed(
        "longrope",
        () -> table(8, new RopeScaling.LongRope(List.of(1.0, 1.0, 1.0, 1.0), List.of(1.0), 8, 1)));
    assertNamed(
        "theta", () -> new RopeEncoding(8, 0, RopeLayout.PAIRS, new RopeScaling.Unscaled()));
    assertNamed(
        "theta",
        () -> new RopeEncoding(8, Double.NaN, RopeLayout.PAIRS, new RopeScaling.Unscaled()));
  }

  private static void assertNamed(String name, Runnable call) {
    InvalidArgumentException e = assertThrows(InvalidArgumentException.class, call::run);
    assertTrue(e.getMessage().contains(name), e.getMessage());
  }
}
