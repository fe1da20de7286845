package io.mla4j.text.speculation;

/**
 * How long guesses take: a first one of a pass, which may prepare the others, and a further one.
 * Knows no clock: whoever uses it measures. Belongs to one thread at a time.
 */
public final class GuessTimes {
  /** These make what later ones use, and do not count. */
  private static final int WARMING = 2;

  private final int[] counts = new int[2];
  private final double[] nanos = new double[2];

  /** Guess {@code n} of a pass took so long. */
  void took(int n, double time) {
    int kind = Math.min(n, 1);
    counts[kind]++;
    if (counts[kind] > WARMING) {
      double last = nanos[kind];
      nanos[kind] = last == 0 ? time : last + (Math.min(time, 3 * last) - last) / 8;
    }
  }

  /** They may have been slow only once. */
  void forget() {
    nanos[0] *= 0.97;
    nanos[1] *= 0.97;
  }

  /** The most guesses of a pass: few as long as nobody knows how long they take. */
  int most(int usual) {
    return counts[1] > WARMING ? usual : 2;
  }

  /** Nanoseconds of a first guess; 0 where it is not known. */
  double first() {
    return nanos[0];
  }

  /** Nanoseconds of a further guess; 0 where it is not known. */
  double further() {
    return nanos[1];
  }
}
