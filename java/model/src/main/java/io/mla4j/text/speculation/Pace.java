package io.mla4j.text.speculation;

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

  /** Less than this, in passes of one row, is no time. */
  private static final double NOTHING = 0.005;

  /** A guess that is right so often is checked in a pause, too. */
  private static final double SURE = 0.8;

  private final PassTimes times = new PassTimes(MOST + 1);
  private final Losses losses = new Losses();
  private final Chances chances;

  /** Of the last pass with guesses, in passes of one row; NaN where it does not count. */
  private double cost = Double.NaN;

  /** Of the guesses of {@code guesser}. */
  public Pace(Guesser guesser) {
    this.chances = new Chances(guesser);
  }

  /**
   * Whether the next pass may have guesses at all.
   *
   * @param nanos that the first takes to make: while guessing is paused, it must be nearly nothing
   */
  public boolean mayGuess(double nanos) {
    return (!losses.isPaused() || nanos < NOTHING * nanos(1))
        && times.knowsPlain(1)
        && !losses.wantsPlain();
  }

  /** How likely a guess of such a trust is right. */
  public double chance(int trust) {
    return chances.of(trust);
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
    return likely * chances.ofAny() >= now * (nanos + nanos(2 + guesses) - nanos(1 + guesses));
  }

  /**
   * How many of the guesses to check.
   *
   * @param chances of each to be right if those before it are
   */
  public int best(double[] chances, int count) {
    if (losses.isPaused() && count > 0 && chances[0] < SURE) {
      return 0;
    }
    double expected = 1;
    double likely = 1;
    double rate = 1 / nanos(1);
    int best = 0;
    int most = Math.min(count, times.horizon() - 1);
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

  /** Nanoseconds of a pass of so many rows, measured or estimated from the nearest that were. */
  public double nanos(int rows) {
    return times.nanos(rows);
  }

  /** A guess was checked. */
  public void checked(int trust, boolean isRight) {
    chances.checked(trust, isRight);
  }

  /**
   * A pass was run.
   *
   * @param nanos of the pass alone
   * @param guessing nanoseconds in which its guesses were made
   */
  public void ran(int rows, double nanos, double guessing) {
    times.ran(rows, rows == 1, nanos);
    losses.ran(rows == 1);
    // What such passes take as a rule: one that was interrupted says nothing about guessing, nor
    // does the first of its kind.
    boolean guessed = rows > 1 || guessing > 0;
    cost = guessed && times.isMeasured(rows) ? (guessing + nanos(rows)) / nanos(1) : Double.NaN;
    chances.fade();
  }

  /** The last pass gave so many tokens, and will give no more. */
  public void gave(int tokens) {
    if (!Double.isNaN(cost)) {
      losses.gained(tokens - cost);
      cost = Double.NaN;
    }
  }
}
