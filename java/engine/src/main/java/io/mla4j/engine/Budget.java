package io.mla4j.engine;

/**
 * How many tokens of prompts a step takes, so that those that get a token a step do not wait much
 * longer than without: measured times, of steps without prompts and of a prompt's token, say how
 * many fit. Bits do not depend on it. Belongs to the loop.
 */
final class Budget {
  /** The smallest piece of a prompt. */
  static final int LEAST = 16;

  /** Of the old value, in an average that forgets. */
  private static final double KEPT = 0.8;

  private final int most;
  private final double stretch;

  /** Nanoseconds of a step without prompts; 0 where none is known. */
  private double plain;

  /** Nanoseconds of a prompt's token beside others; 0 where none is known. */
  private double token;

  Budget(EngineOptions options) {
    this.most = options.tokenBudget();
    this.stretch = options.stretch();
  }

  /** Tokens of prompts for a step in which {@code texts} texts get a token. */
  int tokens(int texts) {
    if (stretch == 0 || texts == 0) {
      return most;
    }
    if (plain == 0 || token == 0) {
      return LEAST;
    }
    return (int) Math.clamp((stretch - 1) * plain / token, LEAST, most);
  }

  /** A step with so many texts and tokens of prompts has taken so long. */
  void ran(int texts, int tokens, long nanos) {
    if (tokens == 0) {
      plain = average(plain, nanos);
    } else if (texts == 0) {
      token = average(token, (double) nanos / tokens);
    } else if (plain > 0) {
      token = average(token, Math.max(0, nanos - plain) / tokens);
    }
  }

  private static double average(double old, double now) {
    return old == 0 ? now : KEPT * old + (1 - KEPT) * now;
  }
}
