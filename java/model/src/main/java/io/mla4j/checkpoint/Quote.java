package io.mla4j.checkpoint;

/**
 * Text from a file, made safe for a one-line message: control characters escaped, long text cut.
 */
public final class Quote {
  private static final int LIMIT = 160;

  private Quote() {}

  /** {@code text} in single quotes. */
  public static String name(String text) {
    return "'" + line(text) + "'";
  }

  /** {@code text} on one line. */
  public static String line(String text) {
    StringBuilder line = new StringBuilder();
    int i = 0;
    for (; i < text.length() && line.length() < LIMIT; i++) {
      char c = text.charAt(i);
      if (Character.isISOControl(c) || c == '\u2028' || c == '\u2029') {
        line.append(String.format("\\u%04x", (int) c));
      } else {
        line.append(c);
      }
    }
    return i == text.length() ? line.toString() : line + "...";
  }
}
