package io.mla4j.position;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.mla4j.InvalidArgumentException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Slopes against the lists of the published implementations. */
class AlibiSlopesTest {
  @Test
  void powersOfTwo() {
    float[] eight = {1 / 2f, 1 / 4f, 1 / 8f, 1 / 16f, 1 / 32f, 1 / 64f, 1 / 128f, 1 / 256f};
    assertArrayEquals(eight, AlibiSlopes.of(8));
    assertArrayEquals(eight, AlibiSlopes.mpt(8));
    assertArrayEquals(new float[] {1 / 256f}, AlibiSlopes.of(1));
  }

  @Test
  void otherCountsTakeEverySecondSlopeOfTheNextPower() {
    float[] expected = {1 / 4f, 1 / 16f, 1 / 64f, 1 / 256f, 1 / 2f, 1 / 8f};
    assertArrayEquals(expected, AlibiSlopes.of(6));
    float[] twelve = AlibiSlopes.of(12);
    assertArrayEquals(AlibiSlopes.of(8), Arrays.copyOf(twelve, 8));
    assertArrayEquals(
        new float[] {
          (float) Math.pow(2, -0.5),
          (float) Math.pow(2, -1.5),
          (float) Math.pow(2, -2.5),
          (float) Math.pow(2, -3.5)
        },
        Arrays.copyOfRange(twelve, 8, 12));
  }

  @Test
  void mptPutsOddIndicesFirst() {
    assertArrayEquals(
        new float[] {1 / 4f, 1 / 16f, 1 / 64f, 1 / 256f, 1 / 2f, 1 / 8f}, AlibiSlopes.mpt(6));
    // n = 3: p = 4, slopes 1/4 1/16 1/64 1/256
    assertArrayEquals(new float[] {1 / 16f, 1 / 256f, 1 / 4f}, AlibiSlopes.mpt(3));
  }

  @Test
  void headsMustBePositive() {
    assertThrows(InvalidArgumentException.class, () -> AlibiSlopes.of(0));
    assertThrows(InvalidArgumentException.class, () -> AlibiSlopes.mpt(-1));
  }
}
