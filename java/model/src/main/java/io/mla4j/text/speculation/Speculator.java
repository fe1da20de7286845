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

  /** Of a first guess and of a further one. */
  private final Duration first = new Duration();

  private final Duration further = new Duration();
  private double guessing;
  private long passes;
  private long made;
  private long accepted;

  /** Over the guesses of {@code guesser}. */
  public Speculator(Guesser guesser) {
    this(guesser, new Pace(guesser));
  }

  /** As many of them as {@code pace} lets through. */
  public Speculator(Guesser guesser, Pace pace) {
    this.guesser = guesser;
    this.pace = pace;
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
    if (most < 1 || !pace.mayGuess(first.nanos())) {
      return 0;
    }
    if (!pace.paysOneMore(0, 1, 1, first.nanos())) {
      // They may have been slow only once.
      first.forget();
      further.forget();
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
      (n == 0 ? first : further).took(nanos);
      if (id < 0) {
        break;
      }
      guesses[n] = id;
      trusts[n] = guesser.trust();
      chances[n] = pace.chance(trusts[n]);
      likely *= chances[n];
      expected += likely;
      n++;
    } while (n < Math.min(most, Pace.MOST)
        && pace.paysOneMore(n, expected, likely, further.nanos()));
    return pace.best(chances, n);
  }

  /** How long guesses take; the first ones make what later ones use, and do not count. */
  private static final class Duration {
    private static final int WARMING = 2;

    private int count;
    private double nanos;

    void took(double time) {
      count++;
      if (count > WARMING) {
        nanos = nanos == 0 ? time : nanos + (Math.min(time, 3 * nanos) - nanos) / 8;
      }
    }

    void forget() {
      nanos *= 0.97;
    }

    double nanos() {
      return nanos;
    }
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
