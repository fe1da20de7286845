package io.mla4j.text;

import java.util.Arrays;

/**
 * Text from ids that come one by one. What is certain comes out at once; half a character waits for
 * the next ids, or for {@link #finish}.
 *
 * <p>Decoding is not additive: a tokenizer may write a space before a word only where something
 * precedes it. So the ids since the last but one piece are decoded together, and what the earlier
 * ones gave is cut off. Bytes that never become a character, and ids without text, do not gather:
 * the time of an id is bounded. Belongs to one thread.
 */
public final class StreamingDecoder {
  /** What stands for bytes that are no character, or not yet one. */
  private static final char REPLACEMENT = '\uFFFD';

  /** Bytes of a character that lacks its last one. */
  private static final int MOST_MISSING = 3;

  /** More ids do not wait together; a character has at most four. */
  private static final int MOST_WAITING = 16;

  private final Tokenizer tokenizer;
  private final boolean skipSpecial;

  private int[] ids = new int[2 * MOST_WAITING];
  private int count;

  /** Ids before this one were given out with the last piece. */
  private int given;

  /** The text of the ids before {@link #given} that are still kept. */
  private String context = "";

  /** Characters of the text of the ids that wait which were given out all the same. */
  private int early;

  StreamingDecoder(Tokenizer tokenizer, boolean skipSpecial) {
    this.tokenizer = tokenizer;
    this.skipSpecial = skipSpecial;
  }

  /** Takes the next id and returns the text that is certain now, perhaps none. */
  public String next(int id) {
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, 2 * count);
    }
    ids[count++] = id;
    String text = waiting();
    int certain = text.length();
    while (certain > 0
        && text.length() - certain < MOST_MISSING
        && text.charAt(certain - 1) == REPLACEMENT) {
      certain--;
    }
    String piece = certain > early ? text.substring(early, certain) : "";
    if (certain > 0 && certain == text.length()) {
      keepAsContext();
    } else {
      early = Math.max(early, certain);
      if (count - given > MOST_WAITING) {
        piece += dropOldest();
      }
    }
    return piece;
  }

  /**
   * The text that still waited; a character that stayed incomplete is U+FFFD. The decoder can be
   * used again after it.
   */
  public String finish() {
    String text = waiting();
    String rest = text.length() > early ? text.substring(early) : "";
    count = 0;
    given = 0;
    early = 0;
    context = "";
    return rest;
  }

  /** The text of the ids that wait. */
  private String waiting() {
    String text = tokenizer.decode(ids, 0, count, skipSpecial);
    // A byte too many can spoil those before it in what a tokenizer joins byte by byte.
    return text.startsWith(context)
        ? text.substring(context.length())
        : tokenizer.decode(ids, given, count, skipSpecial);
  }

  private void keepAsContext() {
    System.arraycopy(ids, given, ids, 0, count - given);
    count -= given;
    given = count;
    early = 0;
    context = tokenizer.decode(ids, 0, count, skipSpecial);
  }

  /** Forgets ids that wait, but for those of a character's first bytes, and gives their rest. */
  private String dropOldest() {
    String all = tokenizer.decode(ids, given, count, skipSpecial);
    int end = count - MOST_MISSING;
    String text = tokenizer.decode(ids, given, end, skipSpecial);
    // Not within bytes that are one U+FFFD together.
    while (end > count - MOST_WAITING / 2
        && !all.equals(text + tokenizer.decode(ids, end, count, skipSpecial))) {
      end--;
      text = tokenizer.decode(ids, given, end, skipSpecial);
    }
    String piece = text.length() > early ? text.substring(early) : "";
    early = Math.max(0, early - text.length());
    System.arraycopy(ids, end, ids, given, count - end);
    count -= end - given;
    return piece;
  }
}
