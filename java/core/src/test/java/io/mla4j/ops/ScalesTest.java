package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Scales in blocks of rows and columns, the last ones cut off by the end of the matrix. */
class ScalesTest {
  private static Tensor plane(StorageFormat format, int rows, int columns) {
    MemorySegment memory = Arena.ofAuto().allocate(format.bytes((long) rows * columns), 64);
    return Tensor.of(memory, format, rows, columns);
  }

  private static Tensor plane(int rows, int columns, float... values) {
    return plane(StorageFormat.F32, rows, columns).copyFrom(values);
  }

  private static Weight weight(Scales scales, int rows, int columns) {
    return new Weight(plane(StorageFormat.I8, rows, columns), scales);
  }

  private static String refusal(Runnable action) {
    return assertThrows(InvalidArgumentException.class, action::run).getMessage();
  }

  @Test
  void elementsAreMultipliedByTheScaleOfTheirBlock() {
    // (5, 7) in blocks of 2 x 3: the last row and the last column of blocks are cut off.
    Scales scales = new Scales(plane(3, 3, 1, 2, 3, 10, 20, 30, 100, 200, 300), 2, 3);
    float[] row = {1, 1, 1, 1, 1, 1, 1};
    scales.multiply(3, 0, row, 0, 7);
    assertArrayEquals(new float[] {10, 10, 10, 20, 20, 20, 30}, row);
    float[] last = {9, 1, 1, 9};
    scales.multiply(4, 5, last, 1, 2);
    assertArrayEquals(new float[] {9, 200, 300, 9}, last, "a range in the middle of a row");
  }

  @Test
  void powersOfTwoAndHalvesAreScales() {
    for (StorageFormat format : StorageFormat.scales()) {
      Tensor plane = plane(format, 1, 2);
      if (format == StorageFormat.E8M0) {
        plane.segment().copyFrom(MemorySegment.ofArray(new byte[] {126, (byte) 129}));
      } else {
        format.narrow(new float[] {0.5f, 4}, 0, 2, plane.segment(), 0);
      }
      float[] row = {3, 3};
      new Scales(plane, 1, 1).multiply(0, 0, row, 0, 2);
      assertArrayEquals(new float[] {1.5f, 12}, row, format.name());
    }
  }

  /** Its byte is the exponent alone: no sign, nothing rounded, no infinity. */
  @Test
  void factorsOfE8M0AreTheWholeRangeOfExponents() {
    byte[] bytes = {0, 1, 127, (byte) 128, (byte) 254, (byte) 255};
    float[] factors = new float[6];
    StorageFormat.E8M0.widen(MemorySegment.ofArray(bytes), 0, factors, 0, 6);
    assertArrayEquals(new float[] {0x1p-127f, 0x1p-126f, 1, 2, 0x1p127f, Float.NaN}, factors);
  }

  /** As torch casts, infinity included. */
  @Test
  void whatIsTooLargeForE4M3IsItsLargest() {
    byte[] codes = new byte[5];
    float[] from = {448, 465, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN};
    StorageFormat.F8_E4M3.narrow(from, 0, 5, MemorySegment.ofArray(codes), 0);
    assertArrayEquals(new byte[] {0x7e, 0x7e, 0x7e, (byte) 0xfe, 0x7f}, codes);
  }

  /** What lies in the middle of two is rounded to the one whose last bit is 0. */
  @Test
  void numbersOfE4M3AreWrittenAsTheNearest() {
    for (int code = 0; code < 0x7e; code++) {
      float here = e4m3(code);
      float next = e4m3(code + 1);
      float middle = (here + next) / 2;
      assertEquals(code, e4m3(here));
      assertEquals(code | 0x80, e4m3(-here));
      assertEquals(code, e4m3(Math.nextDown(middle)));
      assertEquals(code + (code & 1), e4m3(middle));
      assertEquals(code + 1, e4m3(Math.nextUp(middle)));
    }
  }

  private static float e4m3(int code) {
    float[] value = new float[1];
    StorageFormat.F8_E4M3.widen(MemorySegment.ofArray(new byte[] {(byte) code}), 0, value, 0, 1);
    return value[0];
  }

  private static int e4m3(float value) {
    byte[] code = new byte[1];
    StorageFormat.F8_E4M3.narrow(new float[] {value}, 0, 1, MemorySegment.ofArray(code), 0);
    return code[0] & 0xff;
  }

  @Test
  void widenedRowsHaveTheirScales() {
    Scales scales = new Scales(plane(2, 2, 2, 3, 4, 5), 1, 2);
    Weight weight = weight(scales, 2, 3);
    StorageFormat.I8.narrow(new float[] {1, 2, 3, 4, 5, 6}, 0, 6, weight.tensor().segment(), 0);
    float[] row = new float[3];
    weight.widen(1, 0, row, 0, 3);
    assertArrayEquals(new float[] {16, 20, 30}, row);
  }

  @Test
  void anotherNumberOfScalesIsRefused() {
    Scales scales = new Scales(plane(2, 2, 1, 1, 1, 1), 2, 3);
    assertTrue(refusal(() -> weight(scales, 5, 6)).contains("[3, 2] scales"));
    assertTrue(refusal(() -> weight(scales, 4, 7)).contains("[2, 3] scales"));
    assertEquals(scales, weight(scales, 3, 4).scales());
  }

  @Test
  void otherFormatsAndEmptyBlocksAreRefused() {
    assertEquals(
        "scales.values is Q8_0[1, 32], but must be a matrix of F32, BF16, F16 or E8M0",
        refusal(() -> new Scales(plane(StorageFormat.Q8_0, 1, 32), 1, 1)));
    assertEquals("scales.values is null", refusal(() -> new Scales(null, 1, 1)));
    Tensor heap = Tensor.of(MemorySegment.ofArray(new float[1]), StorageFormat.F32, 1, 1);
    assertTrue(
        refusal(() -> new Scales(heap, 1, 1)).startsWith("scales.values is F32[1, 1] on the Java"));
    Scales one = new Scales(plane(1, 1, 1), 1, 1);
    assertEquals("tensor is null", refusal(() -> new Weight(null, one)));
    assertTrue(refusal(() -> new Scales(plane(1, 1, 1), 0, 1)).startsWith("scales.blockRows is 0"));
    assertTrue(
        refusal(() -> new Scales(plane(1, 1, 1), 1, -3)).startsWith("scales.blockColumns is -3"));
  }
}
