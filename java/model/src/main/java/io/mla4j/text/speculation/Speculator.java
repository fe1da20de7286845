package io.mla4j.text.speculation;

/**
 * Makes guesses where they pay, and remembers what became of them. Belongs to one thread at a time.
 */
public final class Speculator implements AutoCloseable {
  private final Guesser guesser;
  private final Pace pace;
  private final int[] guesses = new int[Pace.MOST];
  private final int[] trusts = new int[Pace.MOST];
  private final double[] chances = new double[Pace.MOST];

  private final GuessTimes times;
  private double guessing;
  private long passes;
  private long made;
  private long accepted;

  /** Over the guesses of {@code guesser}, with what was learned in other texts. */
  public Speculator(Guesser guesser, Experience experience) {
    this(guesser, new Pace(guesser, experience.passes()), experience.guesses());
  }

  /** As many of them as {@code pace} lets through. */
  public Speculator(Guesser guesser, Pace pace) {
    this(guesser, pace, new GuessTimes());
  }

  private Speculator(Guesser guesser, Pace pace, GuessTimes times) {
    this.guesser = guesser;
    this.pace = pace;
    this.times = times;
  }

  /** What guesses. */
  public Guesser guesser() {
    return guesser;
  }

  /**
   * Guesses what follows the first {@code count} of {@code ids}.
   *
   * @param most guesses
   * @return how many of {@link #guess} are to be checked
   */
  public int guess(int[] ids, int count, int most) {
    guessing = 0;
    if (most < 1 || !pace.mayGuess(times.first())) {
      return 0;
    }
    if (!pace.paysOneMore(0, 1, 1, times.first())) {
      times.forget();
      return 0;
    }
    double expected = 1;
    double likely = 1;
    int n = 0;
    do {
      long start = System.nanoTime();
      if (n == 0) {
        guesser.begin(ids, count);
      }
      int id = guesser.next();
      double nanos = System.nanoTime() - start;
      guessing += nanos;
      times.took(n, nanos);
      if (id < 0) {
        break;
      }
      guesses[n] = id;
      trusts[n] = guesser.trust();
      chances[n] = pace.chance(trusts[n]);
      likely *= chances[n];
      expected += likely;
      n++;
    } while (n < Math.min(most, times.most(Pace.MOST))
        && pace.paysOneMore(n, expected, likely, times.further()));
    return pace.best(chances, n);
  }

  /** Guess {@code i} of the last call of {@link #guess}. */
  public int guess(int i) {
    return guesses[i];
  }

  /** A pass took so long: of a row for the last token, and of one for each of {@code n} guesses. */
  public void ran(int n, long nanos) {
    passes++;
    made += n;
    pace.ran(1 + n, nanos, guessing);
    guessing = 0;
  }

  /** Guess {@code i} was checked. */
  public void checked(int i, boolean isRight) {
    accepted += isRight ? 1 : 0;
    pace.checked(trusts[i], isRight);
  }

  /** The last pass gave so many tokens, and will give no more. */
  public void gave(int tokens) {
    pace.gave(tokens);
  }

  /** Passes so far, with guesses or without. */
  public long passes() {
    return passes;
  }

  /** Guesses that were checked, or would have been behind a wrong one. */
  public long made() {
    return made;
  }

  /** Guesses that were right. */
  public long accepted() {
    return accepted;
  }

  @Override
  public void close() {
    guesser.close();
  }
}
