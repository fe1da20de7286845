package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Marks what people typed on its way through a template: the first character of a control token is
 * replaced by a character of the private use area that nobody uses, a twin, and put back in what
 * the template wrote. Since a twin is one character, and no white space, a template treats the text
 * as it would treat it otherwise, unless it looks for the very token.
 */
final class Twins {
  private static final char FIRST = '\uE000';
  private static final char LAST = '\uF8FF';

  private final ControlTokens tokens;

  /** Characters that occur somewhere. */
  private final BitSet used = new BitSet(1 << Character.SIZE);

  private final Map<Character, Character> twins = new HashMap<>();
  private final Map<Character, Character> originals = new HashMap<>();
  private char next = FIRST;

  /**
   * None yet.
   *
   * @param sources texts that a template may write beside those that are marked
   */
  Twins(ControlTokens tokens, Iterable<String> sources) {
    this.tokens = tokens;
    sources.forEach(this::use);
  }

  private void use(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) >= FIRST && text.charAt(i) <= LAST) {
        used.set(text.charAt(i));
      }
    }
  }

  /** Whether there are any. */
  boolean isEmpty() {
    return twins.isEmpty();
  }

  /** Notes the characters of a value, so that none of them becomes a twin. */
  void useAll(@Nullable Object value) {
    switch (value) {
      case String text -> use(text);
      case List<?> list -> list.forEach(this::useAll);
      case Map<?, ?> map ->
          map.forEach(
              (key, item) -> {
                useAll(key);
                useAll(item);
              });
      case null, default -> {}
    }
  }

  /**
   * A copy of a value whose texts are marked.
   *
   * @param which of the tokens are marked
   */
  @Nullable Object mark(@Nullable Object value, Predicate<String> which) {
    return switch (value) {
      case String text -> mark(text, which);
      case List<?> list -> {
        List<@Nullable Object> copy = new ArrayList<>(list.size());
        list.forEach(item -> copy.add(mark(item, which)));
        yield copy;
      }
      case Map<?, ?> map -> {
        Map<@Nullable Object, @Nullable Object> copy = new LinkedHashMap<>();
        map.forEach((key, item) -> copy.put(mark(key, which), mark(item, which)));
        yield copy;
      }
      case null, default -> value;
    };
  }

  private String mark(String text, Predicate<String> which) {
    StringBuilder marked = null;
    for (int i = 0; i < text.length(); i++) {
      int length = tokens.lengthAt(text, i);
      boolean mark =
          length > 0 ? which.test(text.substring(i, i + length)) : tokens.mayBeginAt(text, i);
      if (mark) {
        if (marked == null) {
          marked = new StringBuilder(text);
        }
        marked.setCharAt(i, twin(text.charAt(i)));
      }
    }
    return marked == null ? text : marked.toString();
  }

  private char twin(char original) {
    Character known = twins.get(original);
    if (known != null) {
      return known;
    }
    while (next < LAST && used.get(next)) {
      next++;
    }
    if (next == LAST) {
      throw new InvalidArgumentException(
          "the messages use all characters of the private use area, so that none is left to mark"
              + " what they spell out of control tokens");
    }
    char twin = next++;
    twins.put(original, twin);
    originals.put(twin, original);
    return twin;
  }

  /** What a template wrote, as it should be read. */
  MarkedText unmark(String written) {
    String text = written;
    for (Map.Entry<Character, Character> entry : originals.entrySet()) {
      // Filters that escape what is not ASCII do not escape what can begin a control token.
      String escape = String.format("\\u%04x", (int) entry.getKey());
      text = text.replace(escape, entry.getKey().toString());
    }
    StringBuilder plain = new StringBuilder(text);
    BitSet typed = new BitSet();
    for (int i = 0; i < plain.length(); i++) {
      Character original = originals.get(plain.charAt(i));
      if (original != null) {
        plain.setCharAt(i, original);
        typed.set(i);
      }
    }
    return new MarkedText(plain.toString(), typed);
  }
}
