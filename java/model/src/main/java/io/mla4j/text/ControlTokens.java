package io.mla4j.text;

import io.mla4j.text.vocabulary.TokenTable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The tokens that steer a model and are no text of a person: special ones, and those among the
 * other added ones that look like markup, as {@code <think>} does. Immutable.
 */
public final class ControlTokens {
  private final Map<String, Integer> ids = new LinkedHashMap<>();
  private final Set<String> special = new HashSet<>();
  private final Node root = new Node();

  /** Letters that lead on. */
  private static final class Node {
    private final Map<Character, Node> next = new HashMap<>(2);
    private boolean isEnd;
  }

  ControlTokens(List<TokenTable.Added> added) {
    for (TokenTable.Added token : added) {
      if (token.special() || isMarkup(token.text())) {
        ids.put(token.text(), token.id());
        if (token.special()) {
          special.add(token.text());
        }
        Node node = root;
        for (int i = 0; i < token.text().length(); i++) {
          node = node.next.computeIfAbsent(token.text().charAt(i), _ -> new Node());
        }
        node.isEnd = true;
      }
    }
  }

  private static boolean isMarkup(String text) {
    return text.length() >= 3 && isSign(text.charAt(0)) && isSign(text.charAt(text.length() - 1));
  }

  private static boolean isSign(char c) {
    return !Character.isLetterOrDigit(c) && !Character.isWhitespace(c) && c != '\u2581';
  }

  /** Their texts. */
  public Set<String> texts() {
    return Collections.unmodifiableSet(ids.keySet());
  }

  /** Whether decoding may leave out the token of this text. */
  public boolean isSpecial(String text) {
    return special.contains(text);
  }

  /** The id of the one that is written so. */
  public OptionalInt id(String text) {
    Integer id = ids.get(text);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** The length of the longest one that {@code text} has at {@code from}; 0 for none. */
  public int lengthAt(CharSequence text, int from) {
    Node node = root;
    int length = 0;
    for (int i = from; i < text.length(); i++) {
      node = node.next.get(text.charAt(i));
      if (node == null) {
        break;
      }
      if (node.isEnd) {
        length = i + 1 - from;
      }
    }
    return length;
  }

  /** Whether all that {@code text} has from {@code from} on is the beginning of one, or of none. */
  boolean mayBeginAt(CharSequence text, int from) {
    Node node = root;
    for (int i = from; i < text.length(); i++) {
      node = node.next.get(text.charAt(i));
      if (node == null) {
        return false;
      }
    }
    return true;
  }

  /** Those that {@code text} has, each once. */
  List<String> in(String text) {
    Set<String> found = new HashSet<>();
    for (int i = 0; i < text.length(); i++) {
      int length = lengthAt(text, i);
      if (length > 0) {
        found.add(text.substring(i, i + length));
      }
    }
    return new ArrayList<>(found);
  }
}
