package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Given rows of activations, when they are rounded to 8 bits, then as the definition says. */
class Int8Test {
  private static Codes rounded(float... x) {
    Codes codes = new Codes().reserve(x.length);
    Int8.round(x, 0, x.length, codes, 0);
    return codes;
  }

  @Test
  void halvesGoToEven() {
    Codes codes = rounded(127, 0.5f, 1.5f, -0.5f, -2.5f, 126.5f, -127);
    assertEquals(1, codes.scales()[0]);
    assertArrayEquals(new byte[] {127, 0, 2, 0, -2, 126, -127, 0}, Arrays.copyOf(codes.codes(), 8));
  }

  @Test
  void everyBlockHasItsScale() {
    float[] x = new float[40];
    x[3] = -254;
    x[33] = 63.5f;
    Codes codes = rounded(x);
    assertEquals(2, codes.scales()[0]);
    assertEquals(0.5f, codes.scales()[1]);
    assertEquals(-127, codes.codes()[3]);
    assertEquals(127, codes.codes()[33]);
  }

  /** Blocks under the scales 1 and 0.5 of a row of 40, from the second block of the codes on. */
  @Test
  void productsAreWholeNumbersUnderTheScalesOfTheirBlocks() {
    Codes x = new Codes().reserve(96);
    float[] row = new float[40];
    row[0] = 127;
    row[1] = 2;
    row[32] = 63.5f;
    row[39] = -1.5f;
    Int8.round(row, 0, 40, x, 32);
    Codes weight = new Codes().reserve(40);
    weight.codes()[0] = 3;
    weight.codes()[1] = -5;
    weight.codes()[32] = 7;
    weight.codes()[39] = 9;
    weight.scales()[0] = 2;
    weight.scales()[1] = 4;
    assertEquals(
        2 * (3 * 127 - 5 * 2) + 4 * (7 * 63.5f - 9 * 1.5f),
        Int8.dot(weight, Coding.SIGNED, x, 32, 40));
    weight.minima()[0] = 10;
    weight.minima()[1] = -100;
    assertEquals(
        2 * (3 * 127 - 5 * 2) + 10 * (127 + 2) + 4 * (7 * 63.5f - 9 * 1.5f) - 100 * (63.5f - 1.5f),
        Int8.dot(weight, Coding.WITH_MINIMA, x, 32, 40));
  }

  @Test
  void nothingAndNearlyNothingAreZero() {
    for (float tiny : new float[] {0, 0x1p-101f, Float.MIN_VALUE}) {
      Codes codes = rounded(tiny, -tiny);
      assertEquals(0, codes.scales()[0]);
      assertEquals(0, codes.codes()[0]);
    }
    assertEquals(127, rounded(0x1p-100f).codes()[0]);
  }

  @Test
  void whatIsNotFiniteMakesTheProductNaN() {
    Codes weight = rounded(1, 2, 3);
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      Codes codes = rounded(1, bad, 2);
      assertTrue(Float.isNaN(codes.scales()[0]));
      assertTrue(Float.isNaN(Int8.dot(weight, Coding.SIGNED, codes, 0, 3)));
    }
  }

  @Test
  void largestNumbersStayInRange() {
    Codes codes = rounded(Float.MAX_VALUE, -Float.MAX_VALUE);
    assertEquals(127, codes.codes()[0]);
    assertEquals(-127, codes.codes()[1]);
  }
}
