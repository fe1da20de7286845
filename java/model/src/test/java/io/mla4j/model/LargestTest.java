package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Mla4jException;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Given logits, when the largest is looked for, then it is the first that no other exceeds. */
class LargestTest {
  @Test
  void isTheFirstThatNoOtherExceeds() {
    SplittableRandom random = new SplittableRandom(3);
    Largest largest = new Largest();
    for (int round = 0; round < 300; round++) {
      float[] logits = new float[random.nextInt(1, 5000)];
      // Few values, so that many are equal; of either sign, or of one, or 0 and -0 alone.
      int values = random.nextInt(1, 2000);
      float scale = random.nextInt(3) - 1f;
      float shift = random.nextBoolean() ? 0 : (float) (1e4 * (random.nextDouble() - 0.5));
      for (int i = 0; i < logits.length; i++) {
        logits[i] = shift + scale * (random.nextInt(values) - values / 2) * 0.37f;
        logits[i] = logits[i] == 0 && random.nextBoolean() ? -0f : logits[i];
      }
      int expected = 0;
      for (int i = 1; i < logits.length; i++) {
        expected = logits[i] > logits[expected] ? i : expected;
      }
      assertEquals(expected, largest.of(MemorySegment.ofArray(logits)), "round " + round);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff})
  void whatIsNoNumberIsNamed(int bits) {
    float[] logits = new float[3000];
    logits[2048] = Float.intBitsToFloat(bits);
    Mla4jException e =
        assertThrows(Mla4jException.class, () -> new Largest().of(MemorySegment.ofArray(logits)));
    assertTrue(e.getMessage().startsWith("logit 2048 is "), e.getMessage());
  }
}
