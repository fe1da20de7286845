package io.mla4j.text.speculation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Guessing on a clock of the test: worth its time where guesses are good, harmless where not. */
class PaceTest {
  /** Guesses take no time and have always the same trust. */
  private static final class Free implements Guesser {
    @Override
    public void begin(int[] ids, int count) {}

    @Override
    public int next() {
      return 0;
    }

    @Override
    public int trust() {
      return 4;
    }

    @Override
    public double expected(int trust) {
      return 0.7;
    }

    @Override
    public void truncate(int length) {}
  }

  /**
   * Plain time over that with guesses.
   *
   * @param chance that a guess is right
   * @param row what a row more takes, in passes of one row
   * @param guess what a guess takes
   * @param noise of all times
   */
  private static double speedup(int tokens, double chance, double row, double guess, double noise) {
    Random random = new Random(5);
    Pace pace = new Pace(new Free());
    double plain = 0;
    double time = 0;
    int done = 0;
    double[] chances = new double[Pace.MOST];
    while (done < tokens) {
      int n = 0;
      double guessing = 0;
      if (pace.mayGuess(1000 * guess) && pace.paysOneMore(0, 1, 1, 1000 * guess)) {
        double expected = 1;
        double likely = 1;
        do {
          chances[n++] = pace.chance(4);
          guessing += 1000 * guess;
          likely *= pace.chance(4);
          expected += likely;
        } while (n < Pace.MOST && pace.paysOneMore(n, expected, likely, 1000 * guess));
        n = pace.best(chances, n);
      }
      double nanos = 1000 * (1 + n * row) * (1 + noise * random.nextDouble());
      time += nanos + guessing;
      pace.ran(1 + n, nanos, guessing);
      int given = 1;
      for (int k = 0; k < n; k++) {
        boolean right = random.nextDouble() < chance;
        pace.checked(4, right);
        if (!right) {
          break;
        }
        given++;
      }
      pace.gave(given);
      done += given;
      plain += given * 1000 * (1 + noise / 2);
    }
    return plain / time;
  }

  @Test
  void guessesThatAreNeverRightCostLittle() {
    for (double row : new double[] {0.02, 0.1, 0.3, 1}) {
      for (double guess : new double[] {0, 0.1, 0.3}) {
        for (int tokens : new int[] {96, 200, 1000, 4000}) {
          double speedup = speedup(tokens, 0, row, guess, 0.1);
          assertTrue(speedup >= 0.97, row + " " + guess + " " + tokens + ": " + speedup);
        }
      }
    }
  }

  @Test
  void noTextIsMuchSlower() {
    for (double chance = 0; chance <= 1; chance += 0.1) {
      for (double row : new double[] {0.02, 0.1, 0.3, 1}) {
        for (double guess : new double[] {0, 0.1, 0.3}) {
          double speedup = speedup(500, chance, row, guess, 0.2);
          assertTrue(speedup >= 0.965, chance + " " + row + " " + guess + ": " + speedup);
        }
      }
    }
  }

  @Test
  void goodGuessesPay() {
    // 1 / (1 - a) tokens a pass at most; a row more takes a twentieth of a pass
    assertTrue(speedup(1000, 0.8, 0.05, 0, 0.1) > 2.5, "0.8 free");
    assertTrue(speedup(1000, 0.98, 0.05, 0, 0.1) > 5, "0.98 free");
    assertTrue(speedup(1000, 0.8, 0.05, 0.15, 0.1) > 1.7, "0.8");
    assertTrue(speedup(1000, 0.5, 0.05, 0, 0.1) > 1.5, "0.5 free");
  }

  @Test
  void guessesThatLostAreAffordedAgainLater() {
    Pace pace = new Pace(new Free());
    for (int i = 0; i < 5; i++) {
      pace.ran(1, 1000, 0);
    }
    for (int i = 0; i < 50 && pace.mayGuess(100); i++) {
      pace.ran(2, 1200, 100);
      pace.checked(4, false);
      pace.gave(1);
    }
    assertFalse(pace.mayGuess(100), "guesses that take time wait");
    assertTrue(pace.mayGuess(0));
    for (int i = 0; i < 100; i++) {
      pace.ran(1, 1000, 0);
    }
    assertTrue(pace.mayGuess(100));
  }

  /** A second text on the same times is guessed without trials. */
  @Test
  void whatPassesTakeIsKnownInTheNextText() {
    PassTimes times = new PassTimes(Pace.MOST + 1);
    Pace first = new Pace(new Free(), times);
    for (int i = 0; i < 4; i++) {
      first.ran(1, 1000, 0);
    }
    for (int i = 0; i < 4; i++) {
      first.ran(2, 1700, 0);
      first.gave(2);
    }
    Pace next = new Pace(new Free(), times);
    assertFalse(next.mayGuess(0), "its own plain passes come first");
    for (int i = 0; i < 3; i++) {
      next.ran(1, 500, 0);
    }
    assertTrue(next.mayGuess(0));
    assertEquals(850, next.nanos(2), 25);
    assertEquals(0, next.best(new double[] {0.6}, 1));
    assertEquals(1, next.best(new double[] {0.9}, 1));
  }

  /** Of wrong guesses that seemed sure, few are checked. */
  @Test
  void sureGuessesThatAreWrongEnd() {
    Pace pace = new Pace(new Free());
    for (int i = 0; i < 5; i++) {
      pace.ran(1, 1000, 0);
    }
    double lost = 0;
    for (int i = 0; i < 60; i++) {
      int guesses = pace.mayGuess(0) ? pace.best(new double[] {0.9, 0.9, 0.9}, 3) : 0;
      pace.ran(1 + guesses, 1000 + 400 * guesses, 0);
      pace.gave(1);
      lost += 0.4 * guesses;
    }
    assertTrue(lost < 2.5, "lost " + lost);
  }

  /** Passes of one row now and then take five times as long, as on a machine that others use. */
  @Test
  void interruptedPassesDoNotEndGuessing() {
    Pace pace = new Pace(new Free());
    Random random = new Random(3);
    for (int i = 0; i < 2000; i++) {
      pace.ran(1, random.nextInt(8) == 0 ? 5000 : 1000, 0.1);
      pace.gave(1);
      assertTrue(i < 5 || i % 50 != 0 || pace.mayGuess(100), "after " + i);
    }
  }
}
