package io.mla4j.engine;

import io.mla4j.text.speculation.Chances;
import io.mla4j.text.speculation.Lookup;
import java.util.Arrays;

/** What one text is guessed to go on with, and what became of its guesses. Belongs to the loop. */
final class TextGuesses {
  /** The most of a step. */
  static final int MOST = 15;

  private final Lookup lookup = new Lookup();
  private final Chances chances = new Chances(lookup);
  private final int[] ids = new int[MOST];
  private final int[] trusts = new int[MOST];

  /** How likely a guess and all before it are right. */
  private final double[] likely = new double[MOST];

  /** How many there are. */
  private int count;

  /** How many of them are to be checked. */
  private int chosen;

  /** A step begins, without guesses so far. */
  void clear() {
    chances.fade();
    count = 0;
    chosen = 0;
  }

  /** Guesses what follows a text, of up to {@code most} tokens; none of them is chosen yet. */
  void begin(int[] text, int length, int most) {
    if (most < 1) {
      return;
    }
    lookup.begin(text, length);
    double all = 1;
    while (count < Math.min(most, MOST)) {
      int id = lookup.next();
      if (id < 0) {
        return;
      }
      ids[count] = id;
      trusts[count] = lookup.trust();
      all *= chances.of(trusts[count]);
      likely[count++] = all;
    }
  }

  /** How likely the next guess that is not chosen is right, with all before it; 0 for none. */
  double next() {
    return chosen < count ? likely[chosen] : 0;
  }

  /** One more is to be checked. */
  void choose() {
    chosen++;
  }

  /** Only the first {@code guesses} are to be checked. */
  void keep(int guesses) {
    chosen = guesses;
  }

  int chosen() {
    return chosen;
  }

  /** Copies those that are to be checked. */
  int[] take() {
    return Arrays.copyOf(ids, chosen);
  }

  /** Whether guess {@code i} is {@code id}, which the model chose. */
  boolean check(int i, int id) {
    chances.checked(trusts[i], ids[i] == id);
    return ids[i] == id;
  }
}
