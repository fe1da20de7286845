package io.mla4j.text;

import java.util.List;
import java.util.function.Consumer;

/**
 * Passes text on until a stop text appears; what may be the start of one waits. Belongs to one
 * thread.
 */
final class StopFilter {
  private final List<String> stops;
  private final Consumer<String> listener;
  private final StringBuilder given = new StringBuilder();
  private final StringBuilder waiting = new StringBuilder();

  StopFilter(List<String> stops, Consumer<String> listener) {
    this.stops = stops;
    this.listener = listener;
  }

  /** Takes text; true when a stop text appeared, before which everything was passed on. */
  boolean accept(String text) {
    waiting.append(text);
    int first = -1;
    for (String stop : stops) {
      int at = waiting.indexOf(stop);
      first = at >= 0 && (first < 0 || at < first) ? at : first;
    }
    if (first >= 0) {
      pass(first);
      return true;
    }
    pass(waiting.length() - possibleStart());
    return false;
  }

  /** Passes on what waits: no more text comes. */
  void finish() {
    pass(waiting.length());
  }

  /** Everything that was passed on. */
  String given() {
    return given.toString();
  }

  /** The length of the longest end of the waiting text that starts a stop text. */
  private int possibleStart() {
    int longest = stops.stream().mapToInt(String::length).max().orElse(0);
    for (int length = Math.min(longest, waiting.length()); length > 0; length--) {
      String end = waiting.substring(waiting.length() - length);
      if (stops.stream().anyMatch(stop -> stop.startsWith(end))) {
        return length;
      }
    }
    return 0;
  }

  private void pass(int length) {
    if (length > 0) {
      String text = waiting.substring(0, length);
      waiting.delete(0, length);
      given.append(text);
      listener.accept(text);
    }
  }
}
