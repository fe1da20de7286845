package io.mla4j.text.speculation;

/**
 * How many guesses pay: from what passes of so many rows take, and from how often guesses of each
 * trust were right. Both are measured while a text is written.
 *
 * <p>k guesses that are right with probabilities a(1), a(2), .. give {@code 1 + a(1) + a(1) a(2) +
 * ..} tokens in the time of a pass of 1 + k rows; the best k is that of the most tokens in a
 * second. On top of it guesses have to be affordable ({@link Losses}): those that take no time and
 * are nearly sure a little more than others.
 *
 * <p>Knows no clock: whoever uses it measures. Belongs to one thread at a time.
 */
public class Pace {
  /** The most guesses of a pass. */
  public static final int MOST = 15;

  /** Less than this, in passes of one row, is no time. */
  private static final double NOTHING = 0.005;

  /** A guess that is right so often may cost this beyond what is afforded, in plain passes. */
  private static final double SURE = 0.8;

  private static final double DEBT = 0.3;

  /**
   * Plain passes of a text before anything is guessed: the first comes behind a prompt and does not
   * count, of the others the shortest does, since what interrupts one makes it longer.
   */
  private static final int FIRST_PLAIN = 3;

  /** The longest time of a first pass of its kind, as a multiple of what was expected. */
  private static final double SURPRISE = 2.5;

  private final PassTimes times;
  private int plainPasses;

  /** Whether the last pass had guesses, or some were made for it. */
  private boolean guessed;

  private double shortest = Double.POSITIVE_INFINITY;
  private final Losses losses = new Losses();
  private final Chances chances;

  /** Of the last pass with guesses, in passes of one row; NaN where it does not count. */
  private double cost = Double.NaN;

  /** Of the guesses of {@code guesser}, where no pass was measured yet. */
  public Pace(Guesser guesser) {
    this(guesser, new PassTimes(MOST + 1));
  }

  /** Of the guesses of {@code guesser}, with times of passes of earlier texts. */
  public Pace(Guesser guesser, PassTimes times) {
    this.chances = new Chances(guesser);
    this.times = times;
  }

  /**
   * Whether passes of so many rows are run: of more rows only some, since what a pass of each
   * number needs is made once, and its time is measured.
   */
  static boolean isKind(int rows) {
    return rows <= 6 || rows == 8 || rows == 12 || rows == MOST + 1;
  }

  /**
   * Whether the next pass may have guesses at all.
   *
   * @param nanos that the first takes to make
   */
  public boolean mayGuess(double nanos) {
    return plainPasses >= FIRST_PLAIN
        && times.isMeasured(1)
        && !losses.wantsPlain()
        && (isNothing(nanos) || losses.affords(loss(1, nanos)));
  }

  private boolean isNothing(double nanos) {
    return nanos < NOTHING * nanos(1);
  }

  /** What a pass with so many guesses loses where all are wrong, in plain passes. */
  private double loss(int guesses, double guessing) {
    return (guessing + nanos(1 + guesses)) / nanos(1) - 1;
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
    if (isNothing(nanos)) {
      return true;
    }
    if (!losses.affords(loss(guesses + 1, (guesses + 1) * nanos))) {
      return false;
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
    double debt = count > 0 && chances[0] >= SURE ? DEBT : 0;
    double expected = 1;
    double likely = 1;
    double rate = 1 / nanos(1);
    int best = 0;
    int most = Math.min(count, times.horizon() - 1);
    for (int k = 1; k <= most; k++) {
      likely *= chances[k - 1];
      expected += likely;
      if (!isKind(1 + k)) {
        continue;
      }
      if (!losses.affords(loss(k, 0) - debt)) {
        break;
      }
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
    // The weights that a pass with guesses has read stand in the way of the next one: such a pass
    // says nothing about plain ones, and what it takes more is counted against guessing.
    boolean plain = rows == 1 && !guessed;
    double usual = nanos(rows);
    if (plain) {
      ranPlain(nanos);
    } else if (rows > 1) {
      boolean known = times.isMeasured(rows);
      times.ran(rows, false, known ? nanos : Math.min(nanos, SURPRISE * nanos(rows)));
    }
    losses.ran(plain);
    // One that was interrupted says little about guessing.
    double took = guessing + (plain ? nanos(1) : Math.min(nanos, 2 * usual));
    boolean counts = times.isMeasured(1) && !(plain && guessing == 0);
    cost = counts ? took / nanos(1) : Double.NaN;
    guessed = rows > 1 || times.isMeasured(1) && !isNothing(guessing);
    chances.fade();
  }

  private void ranPlain(double nanos) {
    plainPasses++;
    if (plainPasses == 1) {
      return;
    }
    if (plainPasses <= FIRST_PLAIN) {
      shortest = Math.min(shortest, nanos);
      times.ran(1, true, shortest, 1);
    } else {
      times.ran(1, true, nanos);
      times.forget(1);
    }
  }

  /** The last pass gave so many tokens, and will give no more. */
  public void gave(int tokens) {
    if (!Double.isNaN(cost)) {
      losses.gained(tokens - cost);
      cost = Double.NaN;
    }
  }
}
