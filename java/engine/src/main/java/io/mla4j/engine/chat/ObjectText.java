package io.mla4j.engine.chat;

/**
 * Finds where a JSON object ends whose text comes piece by piece: with its last brace, or, where it
 * is malformed, with a marker outside of its strings. Belongs to one thread.
 */
final class ObjectText {
  private final Markers ends;
  private int depth;
  private boolean inString;
  private boolean isEscaped;
  private boolean isEnded;

  ObjectText(Markers ends) {
    this.ends = ends;
  }

  /**
   * How many of the next characters belong to it. It has {@linkplain #isEnded ended} there, or the
   * others may begin a marker and have to come again with what follows them.
   *
   * @param atEnd whether nothing follows the text
   */
  int take(CharSequence text, boolean atEnd) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (isEscaped) {
        isEscaped = false;
      } else if (inString) {
        isEscaped = c == '\\';
        inString = c != '"';
      } else {
        int marker = ends.lengthAt(text, i, atEnd);
        if (marker != 0) {
          isEnded = marker > 0;
          return i;
        }
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        inString = c == '"';
        if (depth == 0) {
          isEnded = true;
          return i + 1;
        }
      }
    }
    return text.length();
  }

  boolean isEnded() {
    return isEnded;
  }
}
