package io.mla4j.text;

import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Passes text on until a stop text appears; what may be the start of one waits. Special tokens are
 * looked for as their texts are, but not passed on. Belongs to one thread.
 */
public final class StopFilter {
  private final List<String> stops;
  private final int longest;
  private final Consumer<String> listener;
  private final StringBuilder given = new StringBuilder();
  private final StringBuilder waiting = new StringBuilder();

  /** Null until one appeared. */
  private @Nullable String found;

  /** The characters of {@link #waiting} that are of special tokens. */
  private final BitSet hidden = new BitSet();

  /** A filter for texts none of which is empty; {@code listener} takes what is passed on. */
  public StopFilter(List<String> stops, Consumer<String> listener) {
    this.stops = stops;
    this.longest = stops.stream().mapToInt(String::length).max().orElse(0);
    this.listener = listener;
  }

  /** Whether there is anything to look for. */
  public boolean looks() {
    return longest > 0;
  }

  /** Takes text; true when a stop text appeared, before which everything was passed on. */
  public boolean accept(String text) {
    waiting.append(text);
    int first = -1;
    for (String stop : stops) {
      int at = waiting.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
        found = stop;
      }
    }
    if (first >= 0) {
      pass(first);
      return true;
    }
    pass(waiting.length() - possibleStart());
    return false;
  }

  /** Takes the text of a special token, as {@link #accept} does. */
  public boolean acceptSpecial(String text) {
    hidden.set(waiting.length(), waiting.length() + text.length());
    return accept(text);
  }

  /** Passes on what waits: no more text comes. */
  public void finish() {
    pass(waiting.length());
  }

  /** The stop text that appeared, or null. */
  public @Nullable String found() {
    return found;
  }

  /** Everything that was passed on. */
  public String given() {
    return given.toString();
  }

  /** The length of the longest end of the waiting text that starts a stop text. */
  private int possibleStart() {
    for (int length = Math.min(longest, waiting.length()); length > 0; length--) {
      String end = waiting.substring(waiting.length() - length);
      if (stops.stream().anyMatch(stop -> stop.startsWith(end))) {
        return length;
      }
    }
    return 0;
  }

  private void pass(int length) {
    if (length == 0) {
      return;
    }
    StringBuilder text = new StringBuilder();
    for (int i = hidden.nextClearBit(0); i < length; i = hidden.nextClearBit(i + 1)) {
      text.append(waiting.charAt(i));
    }
    waiting.delete(0, length);
    BitSet rest = hidden.get(length, Math.max(length, hidden.length()));
    hidden.clear();
    hidden.or(rest);
    if (!text.isEmpty()) {
      given.append(text);
      listener.accept(text.toString());
    }
  }
}
