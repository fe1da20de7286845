package io.mla4j.text.speculation;

/**
 * Guesses that what followed the same tokens before follows again: the continuation of the longest
 * match of the last tokens in the text, the latest of equally long ones. Where it reaches the end
 * of the text, it goes on with what was guessed, so a text that goes round in circles is guessed as
 * far as one likes.
 *
 * <p>A long match stays the place beside which the text is read for some tokens more: where a copy
 * is edited, what follows the edited token is mostly what followed it in the original.
 *
 * <p>Places are chained by a hash of the two tokens before them. A token more in the text, a token
 * less and a guess take under a microsecond each.
 */
public final class Lookup implements Guesser {
  /** The shortest match that is worth a guess. */
  private static final int SHORTEST = 2;

  /** A longer match is not trusted more. */
  private static final int LONGEST = 64;

  /** How many places are compared: those of common words are many. */
  private static final int PLACES = 32;

  /** A match of so many tokens is a copy. */
  private static final int COPY = 8;

  /** So many tokens behind the last match a copy may still go on. */
  private static final int EDITED = 8;

  /** Without a match beside a copy, then by the length of the match. */
  private static final double[] EXPECTED = {0.4, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9};

  /** By hash: the latest place whose two tokens have it, 0 for none. */
  private int[] latest = new int[1 << 10];

  /** By place: the one before it with the same hash, 0 for none. */
  private int[] before = new int[1 << 9];

  /** Places up to this one are chained. */
  private int chained = SHORTEST - 1;

  private int[] ids = new int[0];
  private int count;

  /** The place whose continuation is guessed; 0 for none. */
  private int from;

  private int guessed;
  private int trust;

  /** How far before the end of the text the original of a copy goes on; 0 for none. */
  private int distance;

  /** Tokens of the text when it last went on as its original did. */
  private int copied;

  @Override
  public void begin(int[] text, int length) {
    // Chains are of the tokens that they were made for: those of a shorter text are undone before.
    truncate(Math.min(count, length));
    ids = text;
    count = length;
    chain();
    guessed = 0;
    findLongest();
  }

  @Override
  public int next() {
    if (from == 0) {
      return -1;
    }
    // Behind the end of the text come the guesses themselves, which repeat what lies from here on.
    int period = count - from;
    return ids[from + guessed++ % period];
  }

  @Override
  public int trust() {
    return trust;
  }

  @Override
  public double expected(int kind) {
    return EXPECTED[kind];
  }

  @Override
  public void truncate(int length) {
    while (chained > Math.max(length, SHORTEST - 1)) {
      latest[hash(chained)] = before[chained];
      chained--;
    }
    count = Math.min(count, length);
    from = 0;
    if (length < copied) {
      distance = 0;
    }
  }

  /** Chains the places up to the one before the end of the text. */
  private void chain() {
    if (count > before.length) {
      before = new int[2 * count];
      latest = new int[Integer.highestOneBit(4 * count)];
      chained = SHORTEST - 1;
    }
    while (chained < count - 1) {
      chained++;
      int hash = hash(chained);
      before[chained] = latest[hash];
      latest[hash] = chained;
    }
  }

  private void findLongest() {
    from = 0;
    if (count <= SHORTEST) {
      return;
    }
    int longest = SHORTEST - 1;
    int place = latest[hash(count)];
    for (int tried = 0; place > 0 && tried < PLACES && longest < LONGEST; tried++) {
      int length = match(place);
      if (length > longest) {
        longest = length;
        from = place;
      }
      place = before[place];
    }
    followCopy(longest);
  }

  /** Prefers the place beside a copy to shorter matches, and to none. */
  private void followCopy(int longest) {
    int length = longest;
    if (longest >= COPY) {
      distance = count - from;
      copied = count;
    } else if (distance > 0 && count - copied <= EDITED) {
      int beside = match(count - distance);
      if (beside >= longest || longest < SHORTEST) {
        from = count - distance;
        length = beside;
      }
    }
    trust = trustOf(length);
  }

  private static int trustOf(int length) {
    return length < SHORTEST
        ? 0
        : Math.min(TRUSTS - 1, 2 * (31 - Integer.numberOfLeadingZeros(length)) - 1 + half(length));
  }

  /** Whether {@code length} is in the upper half of its power of two. */
  private static int half(int length) {
    int power = Integer.highestOneBit(length);
    return length - power >= power / 2 ? 1 : 0;
  }

  /** How many tokens before {@code place} are as those at the end of the text. */
  private int match(int place) {
    int most = Math.min(place, LONGEST);
    int length = 0;
    while (length < most && ids[place - 1 - length] == ids[count - 1 - length]) {
      length++;
    }
    return length;
  }

  /** Of the two tokens before {@code place}. */
  private int hash(int place) {
    int mixed = (ids[place - 2] * 31 + ids[place - 1]) * 0x9E3779B1;
    return mixed >>> Integer.numberOfLeadingZeros(latest.length) + 1;
  }
}
