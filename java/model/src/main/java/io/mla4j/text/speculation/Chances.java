package io.mla4j.text.speculation;

/**
 * How often guesses of each trust are right, from what was expected and what became of them.
 * Belongs to one thread at a time.
 */
public final class Chances {
  /** The weight of what was expected, in guesses. */
  private static final double PRIOR = 3;

  /** After so many guesses an older one counts as 1 / e. */
  private static final double MEMORY = 48;

  private final Guesser guesser;
  private final double[] right = new double[Guesser.TRUSTS];
  private final double[] tried = new double[Guesser.TRUSTS];

  /** Of the guesses of {@code guesser}. */
  public Chances(Guesser guesser) {
    this.guesser = guesser;
  }

  /** How likely a guess of such a trust is right. */
  public double of(int trust) {
    return (PRIOR * guesser.expected(trust) + right[trust]) / (PRIOR + tried[trust]);
  }

  /** How likely a guess is right of which nothing is known yet. */
  public double ofAny() {
    double all = 0;
    double good = 0;
    for (int i = 0; i < right.length; i++) {
      all += tried[i];
      good += right[i];
    }
    return (PRIOR * 0.6 + good) / (PRIOR + all);
  }

  /** A guess was checked. */
  public void checked(int trust, boolean isRight) {
    double kept = 1 - 1 / MEMORY;
    right[trust] = right[trust] * kept + (isRight ? 1 : 0);
    tried[trust] = tried[trust] * kept + 1;
  }

  /** A pass is over: what was not tried for a while may have changed. */
  public void fade() {
    for (int i = 0; i < tried.length; i++) {
      right[i] *= 1 - 1 / (8 * MEMORY);
      tried[i] *= 1 - 1 / (8 * MEMORY);
    }
  }
}
