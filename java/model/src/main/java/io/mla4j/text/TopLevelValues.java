package io.mla4j.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Finds the values of the outermost object in a range of JSON, by brackets and strings alone: up to
 * the first byte that is no JSON, where a parser stops, these are the ones that it reads. Much
 * faster than a parser over a vocabulary in a JVM that has just started.
 */
final class TopLevelValues {
  /** Given a key without escapes, and where its value begins and ends. */
  @FunctionalInterface
  interface Value {
    void at(String key, int from, int to) throws IOException;
  }

  private final byte[] json;
  private final Value each;
  private final int end;
  private int at;
  private String key = "";
  private int value = -1;

  private TopLevelValues(byte[] json, int from, int to, Value each) {
    this.json = json;
    this.each = each;
    at = from;
    end = to;
  }

  /**
   * Hands each value over.
   *
   * @throws IOException where a key has an escape, and so may be any: no program writes that
   */
  static void forEach(byte[] json, int from, int to, Value each) throws IOException {
    new TopLevelValues(json, from, to, each).run();
  }

  private void run() throws IOException {
    int depth = 0;
    for (; at < end; at++) {
      switch (json[at]) {
        case '"' -> {
          int start = at;
          skipString();
          if (depth == 1 && value < 0) {
            key = text(start + 1, at);
          }
        }
        case '{', '[' -> depth++;
        case ':' -> {
          if (depth == 1 && value < 0) {
            value = at + 1;
          }
        }
        case '}', ']', ',' -> {
          boolean ends = json[at] == ',' ? depth == 1 : --depth == 0;
          if (ends) {
            give(at);
          }
        }
        default -> {}
      }
    }
    give(end);
  }

  /** To the quote that ends the string at {@link #at}, or to the end. */
  private void skipString() {
    at++;
    while (at < end && json[at] != '"') {
      at += json[at] == '\\' ? 2 : 1;
    }
  }

  private String text(int from, int to) {
    return new String(json, from, Math.min(to, end) - from, StandardCharsets.UTF_8);
  }

  private void give(int to) throws IOException {
    if (value < 0) {
      return;
    }
    if (key.indexOf('\\') >= 0) {
      throw new IOException("a key of an outermost object has an escape");
    }
    each.at(key, value, to);
    value = -1;
  }
}
