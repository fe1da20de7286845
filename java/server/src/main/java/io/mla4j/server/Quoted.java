package io.mla4j.server;

/** What clients sent, as messages quote it: one short line. */
final class Quoted {
  private static final int MOST = 80;

  private Quoted() {}

  /** A number or a word, which needs no quotes, cut where it is long. */
  static String cut(String text) {
    return text.length() > MOST ? text.substring(0, MOST) + ".." : text;
  }

  static String of(String text) {
    StringBuilder line = new StringBuilder("\"");
    int end = Math.min(text.length(), MOST);
    for (int i = 0; i < end; i++) {
      char c = text.charAt(i);
      line.append(Character.isISOControl(c) || Character.isSurrogate(c) ? '?' : c);
    }
    return line.append(text.length() > MOST ? "..\"" : "\"").toString();
  }
}
