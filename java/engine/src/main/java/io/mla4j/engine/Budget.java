package io.mla4j.engine;

/**
 * How many tokens of prompts a step takes, so that those that get a token a step do not wait much
 * longer than without: measured times, of steps without prompts and of a prompt's token, say how
 * many fit. What a step took beyond that is a debt, for which the next steps take no prompts: so
 * the time from token to token keeps its mean where a prompt's pieces cannot be small. Bits do not
 * depend on it. Belongs to the loop.
 */
final class Budget {
  /** The smallest piece of a prompt. */
  static final int LEAST = 16;

  /**
   * Cached tokens for each token of a piece: a piece makes keys and values of all that is cached
   * once, so short ones behind many tokens would do little else.
   */
  private static final int CACHED_OF_PIECE = 32;

  /**
   * The largest debt, in steps without prompts: a machine that stood still is no reason to wait.
   */
  private static final int MOST_DEBT = 32;

  /** Tokens of a prompt that is read at once while the debt is small. */
  static final int SHORT = 128;

  /**
   * The debt up to which short prompts are read, in steps without prompts: texts that begin late
   * make all of them slower, since a step of more texts takes hardly longer.
   */
  private static final int DEBT_OF_SHORT = 16;

  /** Of the old value, in an average that forgets. */
  private static final double KEPT = 0.8;

  private final int most;
  private final double stretch;

  /** Nanoseconds of a step without prompts; 0 where none is known. */
  private double plain;

  /** Nanoseconds of a prompt's token beside others; 0 where none is known. */
  private double token;

  /** Nanoseconds that steps with prompts took too much. */
  private double debt;

  Budget(EngineOptions options) {
    this.most = options.tokenBudget();
    this.stretch = options.stretch();
  }

  /** The shortest piece of a prompt behind {@code cached} tokens that is worth its time. */
  int least(int cached) {
    return Math.clamp(cached / CACHED_OF_PIECE / LEAST * LEAST, LEAST, most);
  }

  /** Tokens of prompts for a step in which {@code texts} texts get a token; 0 for none. */
  int tokens(int texts) {
    if (stretch == 0 || texts == 0) {
      debt = 0;
      return most;
    }
    if (debt > 0) {
      return 0;
    }
    if (plain == 0 || token == 0) {
      return LEAST;
    }
    return (int) Math.clamp((stretch - 1) * plain / token, LEAST, most);
  }

  /** Whether a prompt of at most {@link #SHORT} tokens is read even where there is a debt. */
  boolean takesShort() {
    return debt <= DEBT_OF_SHORT * plain;
  }

  /** A step with so many texts and tokens of prompts has taken so long. */
  void ran(int texts, int tokens, long nanos) {
    if (texts > 0 && plain > 0) {
      double spent = tokens == 0 ? 0 : nanos - plain;
      debt = Math.clamp(debt + spent - (stretch - 1) * plain, 0, MOST_DEBT * plain);
    }
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
