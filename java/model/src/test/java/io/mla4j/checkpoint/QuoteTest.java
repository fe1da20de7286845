package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Given text from a file, when a message shows it, then on one line of bounded length. */
class QuoteTest {
  @Test
  void whatWouldBreakTheLineIsEscaped() {
    assertEquals("'a\\u000ab\\u0085\\u2028\\u2029'", Quote.name("a\nb\u0085\u2028\u2029"));
    assertEquals("für 東京", Quote.line("für 東京"));
  }

  @Test
  void onlyWhatIsCutEndsInDots() {
    String longest = "x".repeat(160);
    assertEquals(longest, Quote.line(longest));
    assertEquals(longest + "...", Quote.line(longest + "y"));
    assertEquals("x".repeat(159) + "\\u000a...", Quote.line("x".repeat(159) + "\nyz"));
  }
}
