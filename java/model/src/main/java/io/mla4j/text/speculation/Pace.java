package io.mla4j.text.speculation;

import java.util.Arrays;

/**
 * How many guesses pay: from what passes of so many rows take, and from how often guesses of each
 * trust were right. Both are measured while a text is written.
 *
 * <p>k guesses that are right with probabilities a(1), a(2), .. give {@code 1 + a(1) + a(1) a(2) +
 * ..} tokens in the time of a pass of 1 + k rows; the best k is that of the most tokens in a
 * second. On top of it guessing is paused, each time twice as long, as soon as it has lost the time
 * of a token, but for guesses that take no time and are nearly sure: so a text that cannot be
 * guessed is written hardly slower than without.
 *
 * <p>Knows no clock: whoever uses it measures. Belongs to one thread at a time.
 */
public class Pace {
  /** The most guesses of a pass. */
  public static final int MOST = 15;

  /** Passes of one row whose time is taken before anything is guessed; the first warms up. */
  private static final int FIRST_PLAIN = 3;

  /** A pass of one row comes at least this often: its time changes as the text grows. */
  private static final int PLAIN_EVERY = 64;

  /** Weight of the last measurement. */
  private static final double FRESH = 0.2;

  /**
   * What a row more takes where it was never measured, in passes of one row: an optimist's guess.
   */
  private static final double UNKNOWN_ROW = 0.04;

  /** Less than this, in passes of one row, is no time. */
  private static final double NOTHING = 0.005;

  /** The weight of what was expected, in guesses. */
  private static final double PRIOR = 3;

  /** After so many guesses an older one counts as 1 / e. */
  private static final double MEMORY = 48;

  /** What may be lost before a pause, in passes of one row. */
  private static final double LOSS = 0.7;

  /** What was gained before counts against a loss up to this. */
  private static final double GAIN = 6;

  /** A guess that is right so often is checked in a pause, too. */
  private static final double SURE = 0.8;

  private static final int SHORTEST_PAUSE = 64;
  private static final int LONGEST_PAUSE = 2048;

  private final Guesser guesser;

  /** Nanoseconds of a pass by its rows; 0 where it was not measured. */
  private final double[] pass = new double[MOST + 2];

  /** Passes by rows, the first of which is not counted: it makes what later ones use. */
  private final int[] passes = new int[MOST + 2];

  private final double[] right = new double[Guesser.TRUSTS];
  private final double[] tried = new double[Guesser.TRUSTS];
  private int sincePlain;

  /** Of the last pass with guesses, in passes of one row; NaN where it does not count. */
  private double cost = Double.NaN;

  private double balance;
  private int pause = SHORTEST_PAUSE;
  private int paused;

  /** Of the guesses of {@code guesser}. */
  public Pace(Guesser guesser) {
    this.guesser = guesser;
  }

  /**
   * Whether the next pass may have guesses at all.
   *
   * @param nanos that the first takes to make: while guessing is paused, it must be nearly nothing
   */
  public boolean mayGuess(double nanos) {
    return (paused == 0 || nanos < NOTHING * nanos(1))
        && passes[1] >= FIRST_PLAIN
        && sincePlain < PLAIN_EVERY;
  }

  /** How likely a guess of such a trust is right. */
  public double chance(int trust) {
    return (PRIOR * guesser.expected(trust) + right[trust]) / (PRIOR + tried[trust]);
  }

  /** How likely a guess is right of which nothing is known yet. */
  public double chance() {
    double all = 0;
    double good = 0;
    for (int i = 0; i < right.length; i++) {
      all += tried[i];
      good += right[i];
    }
    return (PRIOR * 0.6 + good) / (PRIOR + all);
  }

  /**
   * Whether one more guess pays that takes {@code nanos} to make; one that takes none always does,
   * since it need not be checked.
   *
   * @param guesses those there are
   * @param expected tokens that a pass with them gives on average
   * @param likely how likely all of them are right
   */
  public boolean paysOneMore(int guesses, double expected, double likely, double nanos) {
    if (nanos < NOTHING * nanos(1)) {
      return true;
    }
    double now = expected / nanos(1 + guesses);
    return likely * chance() >= now * (nanos + nanos(2 + guesses) - nanos(1 + guesses));
  }

  /**
   * How many of the guesses to check.
   *
   * @param chances of each to be right if those before it are
   */
  public int best(double[] chances, int count) {
    if (paused > 0 && count > 0 && chances[0] < SURE) {
      return 0;
    }
    double expected = 1;
    double likely = 1;
    double rate = 1 / nanos(1);
    int best = 0;
    // What a row takes is not known far beyond what was measured.
    int most = Math.min(count, 2 * longest() - 1);
    for (int k = 1; k <= most; k++) {
      likely *= chances[k - 1];
      expected += likely;
      double other = expected / nanos(1 + k);
      if (other > rate) {
        rate = other;
        best = k;
      }
    }
    return best;
  }

  /** The most rows that were measured. */
  private int longest() {
    int rows = pass.length - 1;
    while (rows > 1 && pass[rows] == 0) {
      rows--;
    }
    return rows;
  }

  /** Nanoseconds of a pass of so many rows, measured or estimated from the nearest that were. */
  public double nanos(int rows) {
    if (pass[rows] > 0) {
      return pass[rows];
    }
    int below = rows;
    while (below > 0 && pass[below] == 0) {
      below--;
    }
    int above = rows;
    while (above < pass.length && pass[above] == 0) {
      above++;
    }
    double low = pass[below];
    return above == pass.length
        ? low + (rows - below) * UNKNOWN_ROW * pass[1]
        : low + (pass[above] - low) * (rows - below) / (above - below);
  }

  /** A guess was checked. */
  public void checked(int trust, boolean isRight) {
    double kept = 1 - 1 / MEMORY;
    right[trust] = right[trust] * kept + (isRight ? 1 : 0);
    tried[trust] = tried[trust] * kept + 1;
  }

  /**
   * A pass was run.
   *
   * @param nanos of the pass alone
   * @param guessing nanoseconds in which its guesses were made
   */
  public void ran(int rows, double nanos, double guessing) {
    passes[rows]++;
    if (passes[rows] > 1) {
      measured(rows, nanos);
    }
    sincePlain = rows == 1 ? 0 : sincePlain + 1;
    if (rows == 1) {
      paused = Math.max(0, paused - 1);
    }
    // What such passes take as a rule: one that was interrupted says nothing about guessing, nor
    // does
    // the first of its kind.
    boolean guessed = rows > 1 || guessing > 0;
    cost = guessed && passes[rows] > 1 ? (guessing + nanos(rows)) / pass[1] : Double.NaN;
    // What was not tried for a while may have changed.
    for (int i = 0; i < tried.length; i++) {
      right[i] *= 1 - 1 / (8 * MEMORY);
      tried[i] *= 1 - 1 / (8 * MEMORY);
    }
  }

  /** The last pass gave so many tokens, and will give no more. */
  public void gave(int tokens) {
    if (Double.isNaN(cost)) {
      return;
    }
    balance = Math.min(GAIN, balance + tokens - cost);
    cost = Double.NaN;
    if (balance < -LOSS) {
      paused = pause;
      pause = Math.min(LONGEST_PAUSE, 2 * pause);
      balance = 0;
    } else if (balance > GAIN / 2) {
      pause = SHORTEST_PAUSE;
    }
  }

  private void measured(int rows, double nanos) {
    double last = pass[rows];
    double most = last == 0 ? nanos : Math.min(nanos, 2 * last);
    double next = last == 0 ? most : last + FRESH * (most - last);
    if (rows == 1 && last > 0) {
      // As the text grows, or the machine slows down, longer passes change with it.
      double change = next / last;
      Arrays.setAll(pass, i -> pass[i] * change);
    }
    pass[rows] = next;
  }
}
