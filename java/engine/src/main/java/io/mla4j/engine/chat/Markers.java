package io.mla4j.engine.chat;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/** Texts that are looked for in a text that comes piece by piece. Immutable. */
final class Markers {
  private final Node root = new Node();

  private static final class Node {
    private final Map<Character, Node> next = new HashMap<>(2);
    private boolean isEnd;
  }

  /**
   * Where the first one is.
   *
   * @param from where it begins; the text's length where there is none
   * @param length its characters; 0 where the text ends before it is known which one it is, or
   *     whether it is one
   */
  record Found(int from, int length) {}

  Markers(Collection<String> texts) {
    for (String text : texts) {
      Node node = root;
      for (int i = 0; i < text.length(); i++) {
        node = node.next.computeIfAbsent(text.charAt(i), _ -> new Node());
      }
      node.isEnd = true;
    }
  }

  /**
   * Looks for the first, and of those that begin there for the longest.
   *
   * @param atEnd whether nothing follows the text
   */
  Found find(CharSequence text, boolean atEnd) {
    for (int i = 0; i < text.length(); i++) {
      int length = lengthAt(text, i, atEnd);
      if (length != 0) {
        return new Found(i, Math.max(0, length));
      }
    }
    return new Found(text.length(), 0);
  }

  /**
   * The characters of the longest that begins at a place: 0 where there is none, -1 where the text
   * ends before it is known.
   *
   * @param atEnd whether nothing follows the text
   */
  int lengthAt(CharSequence text, int from, boolean atEnd) {
    Node node = root;
    int length = 0;
    int at = from;
    for (; at < text.length() && node != null; at++) {
      node = node.next.get(text.charAt(at));
      if (node != null && node.isEnd) {
        length = at + 1 - from;
      }
    }
    // It ended within the tree.
    boolean mayGrow = node != null && !node.next.isEmpty() && !atEnd;
    return mayGrow ? -1 : length;
  }
}
