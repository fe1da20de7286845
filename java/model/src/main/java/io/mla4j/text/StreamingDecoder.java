package io.mla4j.text;

import java.util.Arrays;

/**
 * Text from ids that come one by one. Half a character is never given out: what ends in U+FFFD
 * waits for the next id, or for {@link #finish}.
 *
 * <p>Decoding is not additive: a tokenizer may write a space before a word only where something
 * precedes it. So the ids since the last but one piece are decoded together, and what the earlier
 * ones gave is cut off. Belongs to one thread.
 */
public final class StreamingDecoder {
  private final Tokenizer tokenizer;
  private final boolean skipSpecial;

  private int[] ids = new int[16];
  private int count;

  /** Ids before this one were given out with the last piece. */
  private int given;

  /** The text of the ids before {@link #given} that are still kept. */
  private String context = "";

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
    String text = tokenizer.decode(ids, 0, count, skipSpecial);
    return text.endsWith("\uFFFD") || text.length() <= context.length() ? "" : give(text);
  }

  /**
   * The text that still waited; a character that stayed incomplete is U+FFFD. The decoder can be
   * used again after it.
   */
  public String finish() {
    String text = tokenizer.decode(ids, 0, count, skipSpecial);
    String rest = text.length() <= context.length() ? "" : text.substring(context.length());
    count = 0;
    given = 0;
    context = "";
    return rest;
  }

  private String give(String text) {
    String piece = text.substring(context.length());
    System.arraycopy(ids, given, ids, 0, count - given);
    count -= given;
    given = count;
    context = tokenizer.decode(ids, 0, count, skipSpecial);
    return piece;
  }
}
