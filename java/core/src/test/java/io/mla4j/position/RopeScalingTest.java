package io.mla4j.position;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.position.RopeScaling.DynamicNtk;
import io.mla4j.position.RopeScaling.Linear;
import io.mla4j.position.RopeScaling.Llama3;
import io.mla4j.position.RopeScaling.LongRope;
import io.mla4j.position.RopeScaling.NoRotation;
import io.mla4j.position.RopeScaling.Ntk;
import io.mla4j.position.RopeScaling.Unscaled;
import io.mla4j.position.RopeScaling.Yarn;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/** Inverse frequencies against published numbers and against the formulas in double precision. */
class RopeScalingTest {
  /** Three roundings to float32. */
  private static final double FLOAT = 2e-7;

  private static void assertFrequencies(int[] at, double[] expected, float[] actual) {
    for (int i = 0; i < at.length; i++) {
      assertEquals(expected[i], actual[at[i]], expected[i] * FLOAT, "inv[" + at[i] + "]");
    }
  }

  @Test
  void yarnOfDeepSeek() {
    float[] inverse = new Yarn(40, 4096, 32, 1, true, 1).inverseFrequencies(64, 1e4, 1);
    assertEquals(32, inverse.length);
    assertFrequencies(
        new int[] {0, 1, 9, 10, 11, 12, 16, 19, 20, 22, 23, 24, 31},
        new double[] {
          1,
          0.7498942093,
          0.07498942093,
          0.05623413252,
          0.03900692657,
          0.02687936011,
          0.0055,
          0.001370513636,
          0.000790569415,
          0.000177827941,
          3.33380358e-05,
          2.5e-05,
          3.33380358e-06
        },
        inverse);
  }

  @Test
  void yarnOfKimi() {
    int[] at = {0, 1, 9, 10, 11, 12, 16, 19, 20, 22, 23, 24, 31};
    double[] expected = {
      1,
      0.7131110849,
      0.04768861244,
      0.03400727816,
      0.02425096702,
      0.0172936334,
      0.004472135955,
      0.001621759908,
      3.614046774e-05,
      1.837841879e-05,
      1.310585417e-05,
      9.345929883e-06,
      8.764412912e-07
    };
    assertFrequencies(
        at, expected, new Yarn(32, 4096, 1, 1, true, 1).inverseFrequencies(64, 5e4, 1));
    double[] half = expected.clone();
    for (int i = 8; i < half.length; i++) {
      half[i] /= 2;
    }
    assertFrequencies(at, half, new Yarn(64, 4096, 1, 1, true, 1).inverseFrequencies(64, 5e4, 1));
  }

  @Test
  void yarnMscale() {
    assertEquals(1.2608037774, Yarn.mscale(40, 0.707), 1e-10);
    assertEquals(1.3688879454, Yarn.mscale(40, 1), 1e-10);
    assertEquals(1.3465735903, Yarn.mscale(32, 1), 1e-10);
    assertEquals(1.4158883083, Yarn.mscale(64, 1), 1e-10);
    assertEquals(1, Yarn.mscale(1, 0.707));
    assertEquals(1, Yarn.mscale(0.5, 1));
    assertEquals(0.1147213868, Math.pow(Yarn.mscale(40, 0.707), 2) / Math.sqrt(192), 1e-10);
    assertEquals(0.1352337789, Math.pow(Yarn.mscale(40, 1), 2) / Math.sqrt(192), 1e-10);
  }

  @Test
  void yarnAttentionFactor() {
    assertEquals(1, Yarn.attentionFactor(40, 0.707, 0.707));
    assertEquals(Yarn.mscale(40, 1), Yarn.attentionFactor(40, 0, 0));
    assertEquals(Yarn.mscale(40, 1), Yarn.attentionFactor(40, 0.707, 0), "one of them is missing");
    assertEquals(Yarn.mscale(40, 1) / Yarn.mscale(40, 0.707), Yarn.attentionFactor(40, 1, 0.707));
  }

  @Test
  void yarnWithoutTruncationUsesFractionalBounds() {
    // corr(32) = 10.472240810318025, corr(1) = 22.513440636877274
    float[] inverse = new Yarn(40, 4096, 32, 1, false, 1).inverseFrequencies(64, 1e4, 1);
    double ramp = (16 - 10.472240810318025) / (22.513440636877274 - 10.472240810318025);
    double plain = Math.pow(1e4, -0.5);
    assertEquals(plain * (1 - ramp) + plain / 40 * ramp, inverse[16], plain * FLOAT);
  }

  @Test
  void plainAndLinearAndNtk() {
    for (int half : new int[] {2, 64}) {
      for (double theta : new double[] {100, 1e7}) {
        for (double factor : new double[] {1, 64}) {
          assertPlainAndLinearAndNtk(half, theta, factor);
        }
      }
    }
    RandomGenerator random = new SplittableRandom(20);
    for (int i = 0; i < 200; i++) {
      double theta = Math.exp(random.nextDouble(Math.log(100), Math.log(1e7)));
      assertPlainAndLinearAndNtk(random.nextInt(2, 65), theta, random.nextDouble(1, 64));
    }
  }

  private static void assertPlainAndLinearAndNtk(int half, double theta, double factor) {
    String given = "half " + half + ", theta " + theta + ", factor " + factor;
    int width = 2 * half;
    for (int i = 0; i < half; i++) {
      double plain = Math.pow(theta, -2.0 * i / width);
      assertEquals(
          plain, new Unscaled().inverseFrequencies(width, theta, 1)[i], plain * 2e-6, given);
      assertEquals(
          plain / factor,
          new Linear(factor).inverseFrequencies(width, theta, 1)[i],
          plain / factor * 2e-6,
          given);
      double grown = theta * Math.pow(factor, width / (width - 2.0));
      double ntk = Math.pow(grown, -2.0 * i / width);
      assertEquals(ntk, new Ntk(factor).inverseFrequencies(width, theta, 1)[i], ntk * 2e-6, given);
    }
  }

  @Test
  void dynamicNtkStartsBehindTheContext() {
    DynamicNtk scaling = new DynamicNtk(4, 24);
    float[] plain = new Unscaled().inverseFrequencies(8, 1e4, 1);
    assertArrayEquals(plain, scaling.inverseFrequencies(8, 1e4, 1));
    assertArrayEquals(plain, scaling.inverseFrequencies(8, 1e4, 24));
    double theta = 1e4 * Math.pow(4.0 * 72 / 24 - 3, 8 / 6.0);
    float[] grown = scaling.inverseFrequencies(8, 1e4, 72);
    for (int i = 0; i < 4; i++) {
      double expected = Math.pow(theta, -2.0 * i / 8);
      assertEquals(expected, grown[i], expected * 1e-6);
    }
    assertTrue(scaling.dependsOnLength());
  }

  @Test
  void longRopeSwitchesBehindTheOriginalContext() {
    LongRope scaling = new LongRope(List.of(1.5, 2.0), List.of(3.0, 8.0), 32, 1);
    assertArrayEquals(
        new float[] {1 / 1.5f, 1 / (2f * 100)}, scaling.inverseFrequencies(4, 1e4, 32));
    assertArrayEquals(new float[] {1 / 3f, 1 / (8f * 100)}, scaling.inverseFrequencies(4, 1e4, 33));
    assertEquals(Math.sqrt(1 + Math.log(4) / Math.log(32)), LongRope.attentionFactor(4, 32), 1e-12);
    assertEquals(1, LongRope.attentionFactor(1, 32));
  }

  @Test
  void llama3KeepsShortWavesAndStretchesLongOnes() {
    Llama3 scaling = new Llama3(8, 1, 4, 8192);
    float[] actual = scaling.inverseFrequencies(128, 5e5, 1);
    int mixed = 0;
    for (int i = 0; i < 64; i++) {
      double inverse = Math.pow(5e5, -2.0 * i / 128);
      double wave = 2 * Math.PI / inverse;
      double t = (8192 / wave - 1) / 3;
      double expected =
          wave > 8192 ? inverse / 8 : wave < 2048 ? inverse : (1 - t) * inverse / 8 + t * inverse;
      mixed += wave <= 8192 && wave >= 2048 ? 1 : 0;
      assertEquals(expected, actual[i], expected * 3e-6, "inv[" + i + "]");
    }
    assertTrue(mixed > 2);
  }

  @Test
  void noRotation() {
    assertArrayEquals(new float[4], new NoRotation().inverseFrequencies(8, 1e4, 1));
  }

  @Test
  void badNumbersAreNamed() {
    for (double bad : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertNamed("factor", () -> new Linear(bad));
      assertNamed("factor", () -> new Ntk(bad));
      assertNamed("factor", () -> new DynamicNtk(bad, 10));
      assertNamed("factor", () -> new Yarn(bad, 10, 32, 1, true, 1));
      assertNamed("betaFast", () -> new Yarn(2, 10, bad, 1, true, 1));
      assertNamed("attentionFactor", () -> new Yarn(2, 10, 32, 1, true, bad));
      assertNamed("shortFactors", () -> new LongRope(List.of(bad), List.of(1.0), 8, 1));
      assertNamed("longFactors", () -> new LongRope(List.of(1.0), List.of(bad), 8, 1));
      assertNamed("attentionFactor", () -> new LongRope(List.of(1.0), List.of(1.0), 8, bad));
      assertNamed("factor", () -> new Llama3(bad, 1, 4, 10));
      assertNamed("betaSlow", () -> new Yarn(2, 10, 32, bad, true, 1));
      assertNamed("lowFrequencyFactor", () -> new Llama3(8, bad, 4, 10));
      assertNamed("highFrequencyFactor", () -> new Llama3(8, 1, bad, 10));
    }
    assertNamed("originalContext", () -> new LongRope(List.of(1.0), List.of(1.0), 0, 1));
    assertNamed("originalContext", () -> new Llama3(8, 1, 4, 0));
    assertNamed("width", () -> new DynamicNtk(2, 10).inverseFrequencies(2, 1e4, 1));
    assertNamed("highFrequencyFactor", () -> new Llama3(8, 4, 4, 10));
    assertNamed("maxPositions", () -> new DynamicNtk(2, 0));
    assertNamed("originalContext", () -> new Yarn(2, 0, 32, 1, true, 1));
    assertNamed(
        "longrope",
        () ->
            new LongRope(Collections.nCopies(3, 1.0), List.of(), 8, 1)
                .inverseFrequencies(8, 1e4, 1));
    assertNamed("width", () -> new Ntk(2).inverseFrequencies(2, 1e4, 1));
  }

  @Test
  void onlyWhereFrequenciesChangeWithTheLengthOfATextTheySaySo() {
    List<Double> ones = List.of(1.0);
    List<Double> twos = List.of(2.0);
    assertFalse(new Linear(2).dependsOnLength());
    assertFalse(new Yarn(2, 10, 32, 1, true, 1).dependsOnLength());
    assertTrue(new DynamicNtk(2, 10).dependsOnLength());
    assertTrue(new LongRope(ones, twos, 8, 1).dependsOnLength());
    assertFalse(new LongRope(twos, twos, 8, 1).dependsOnLength());
  }

  private static void assertNamed(String name, Runnable made) {
    InvalidArgumentException e = assertThrows(InvalidArgumentException.class, made::run);
    assertTrue(e.getMessage().contains(name), e.getMessage());
  }
}
