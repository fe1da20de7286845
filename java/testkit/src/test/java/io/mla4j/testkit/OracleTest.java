package io.mla4j.testkit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import java.math.BigDecimal;
import org.junit.jupiter.api.Test;

/**
 * The oracle against numbers worked out by hand, and against itself where two ways lead to one
 * result.
 */
class OracleTest {
  private static final double EXACT = 1e-14;

  /** The reference decides by comparing distances to both neighbours in decimal arithmetic. */
  @Test
  void roundingToBf16IsToTheNearestAndToEvenOnTies() {
    CaseRandom random = new CaseRandom(1);
    for (int i = 0; i < 20_000; i++) {
      float x = Float.intBitsToFloat((int) random.seed());
      if (i % 4 == 0) { // ties
        x = Float.intBitsToFloat(Float.floatToRawIntBits(x) & 0xffff0000 | 0x8000);
      }
      if (Float.isNaN(x) || Math.abs(x) > 3e38f) {
        continue;
      }
      int low = Float.floatToRawIntBits(x) & 0xffff0000;
      BigDecimal below = distance(x, Float.intBitsToFloat(low));
      BigDecimal above = distance(x, Float.intBitsToFloat(low + 0x10000));
      int order = below.compareTo(above);
      boolean up = order > 0 || order == 0 && (low & 0x10000) != 0;
      assertEquals(Float.intBitsToFloat(up ? low + 0x10000 : low), Rounding.bf16(x), "" + x);
    }
  }

  private static BigDecimal distance(float a, float b) {
    return new BigDecimal(a).subtract(new BigDecimal(b)).abs();
  }

  @Test
  void softmaxOfTwoKeys() {
    // Scores 0 and log 3: probabilities 1/4 and 3/4.
    Attention attention = new Attention(2, 1, Math.log(3), false);
    Attention.Rows rows =
        new Attention.Rows(new double[] {0, 0, 1, 0}, 2, new double[] {8, 4}, 1, null, null);
    double[] out = new double[1];
    double lse =
        attention.row(new double[] {1, 5}, 0, rows, 0, 2, new Attention.Bias(0, 1), out, 0);
    assertEquals(0.25 * 8 + 0.75 * 4, out[0], EXACT);
    assertEquals(Math.log(4), lse, EXACT);
    // ALiBi takes slope * distance from the older key's score.
    double[] biased = new double[1];
    lse =
        attention.row(
            new double[] {0, 0}, 0, rows, 0, 2, new Attention.Bias(Math.log(3), 1), biased, 0);
    assertEquals(0.25 * 8 + 0.75 * 4, biased[0], EXACT);
    assertEquals(Math.log(4.0 / 3), lse, EXACT);
    double[] empty = new double[1];
    lse = attention.row(new double[] {1, 5}, 0, rows, 1, 1, new Attention.Bias(0, 1), empty, 0);
    assertEquals(Double.NEGATIVE_INFINITY, lse);
    assertEquals(0, empty[0]);
  }

  @Test
  void mergedPartsAreTheWhole() {
    CaseRandom random = new CaseRandom(2);
    double[] keys = Oracle.widen(random.normals(40 * 8, 1), false);
    double[] q = Oracle.widen(random.normals(8, 1), false);
    Attention attention = new Attention(8, 5, 0.5, false);
    Attention.Rows rows = new Attention.Rows(keys, 8, keys, 8, null, null);
    double[] whole = new double[5];
    double wholeLse = attention.row(q, 0, rows, 0, 40, new Attention.Bias(0.1, 39), whole, 0);
    float[] parts = new float[15];
    float[] lses = new float[3];
    int[] cuts = {0, 13, 13, 40};
    for (int i = 0; i < 3; i++) {
      double[] part = new double[5];
      lses[i] =
          (float)
              attention.row(q, 0, rows, cuts[i], cuts[i + 1], new Attention.Bias(0.1, 39), part, 0);
      for (int j = 0; j < 5; j++) {
        parts[i * 5 + j] = (float) part[j];
      }
    }
    double[] merged = new double[5];
    double[] lse = new double[1];
    Oracle.merge(parts, lses, 3, 1, 5, merged, lse);
    assertArrayEquals(whole, merged, 1e-6);
    assertEquals(wholeLse, lse[0], 1e-6);
  }

  @Test
  void smallOperations() {
    double[] w = {1, 2, 3, 4, 5, 6};
    assertArrayEquals(
        new double[] {14 + 10, 32 + 20},
        Oracle.linear(new double[] {1, 2, 3}, 1, 3, w, 2, new float[] {10, 20}),
        EXACT);
    assertArrayEquals(
        new double[] {14, 32},
        Oracle.headLinear(new double[] {1, 2, 3}, 1, 1, 3, 2, w, false),
        EXACT);
    assertArrayEquals(
        new double[] {1 + 6 + 15, 2 + 8 + 18},
        Oracle.headLinear(new double[] {1, 2, 3}, 1, 1, 3, 2, w, true),
        EXACT);
    double[] y = new double[2];
    Oracle.rmsNorm(new float[] {3, 4}, 0, 2, new float[] {1, 10}, 0.5f, y, 0);
    assertArrayEquals(new double[] {3 / Math.sqrt(13), 40 / Math.sqrt(13)}, y, EXACT);
    double none = Double.POSITIVE_INFINITY;
    assertEquals(2.0 / (1 + Math.exp(-2)) * 3, Oracle.swiglu(2, 3, none), EXACT);
    // The gate is limited from above and after the activation, the other factor on both sides.
    assertEquals(1.5 * 1.5, Oracle.swiglu(2, 3, 1.5), EXACT);
    assertEquals(2.0 / (1 + Math.exp(-2)) * -1.8, Oracle.swiglu(2, -3, 1.8), EXACT);
    assertEquals(-0.1 / (1 + Math.exp(0.1)) * 0.01, Oracle.swiglu(-0.1, 3, 0.01), EXACT);
    // A quarter turn takes (a, b) to (-b, a), whichever elements are the pair.
    float[] x = {1, 2, 3, 4};
    double[] turned = new double[4];
    Oracle.rotate(
        x,
        0,
        4,
        RopeLayout.PAIRS,
        new Oracle.Angles(new float[2], new float[] {1, 1}, 0),
        turned,
        0);
    assertArrayEquals(new double[] {-2, 1, -4, 3}, turned, EXACT);
    Oracle.rotate(
        x,
        0,
        4,
        RopeLayout.HALVES,
        new Oracle.Angles(new float[2], new float[] {1, 1}, 0),
        turned,
        0);
    assertArrayEquals(new double[] {-3, -4, 1, 2}, turned, EXACT);
  }

  @Test
  void routing() {
    Routing v3 =
        new Routing(
            6,
            2,
            Routing.Score.SIGMOID,
            2,
            1,
            Routing.GroupScore.TOP2_SUM,
            Routing.GroupMask.ZERO,
            true,
            1);
    double[] scores = Oracle.scores(v3, new float[] {0, 1, -1, 0, 0, 0}, 0);
    assertEquals(0.5, scores[0], EXACT);
    assertEquals(1 / (1 + Math.exp(-1)), scores[1], EXACT);
    double[] biased = {0.9, 0.1, 0.2, 0.6, 0.6, 0.6};
    assertEquals(1.1, Oracle.groupScore(v3, biased, 0), EXACT);
    assertEquals(1.2, Oracle.groupScore(v3, biased, 1), EXACT);
    assertArrayEquals(new int[] {0, 3, 4}, Oracle.top(biased, 3), "equal ones by rising index");
    Routing v2 =
        new Routing(
            2,
            1,
            Routing.Score.SOFTMAX,
            1,
            1,
            Routing.GroupScore.MAX,
            Routing.GroupMask.NEGATIVE_INFINITY,
            false,
            1);
    assertArrayEquals(
        new double[] {0.25, 0.75}, Oracle.scores(v2, new float[] {5, 5 + 1.0986123f}, 0), 1e-7);
  }

  @Test
  void casesFollowFromTheirSeed() {
    for (Operation operation : Operation.values()) {
      assertEquals(operation.random(7).shape(), operation.random(7).shape());
      for (Expectation e : operation.random(7).expected()) {
        assertTrue(e.values().length == e.allowed().length);
      }
    }
  }
}
