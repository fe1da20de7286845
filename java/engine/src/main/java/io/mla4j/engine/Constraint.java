package io.mla4j.engine;

/**
 * What a text may be, as a state over token ids: a grammar, a schema. The engine asks it before it
 * chooses a token and tells it which one it chose, from its loop's thread: so it never blocks and
 * its work is bounded. A request has one of its own; nobody else uses it meanwhile.
 */
public interface Constraint {
  /**
   * Sets the bits of the tokens that may come next: bit {@code id % 64} of {@code allowed[id /
   * 64]}; the others are cleared. Tokens that end texts are among them where the text may end here.
   *
   * @param allowed (vocabulary / 64, rounded up)
   */
  void mask(long[] allowed);

  /** The token {@code id}, which was allowed, has been chosen. */
  void accept(int id);

  /** Whether nothing can follow: the text ends without a token that says so. */
  boolean isComplete();

  /** One in the same state with a life of its own. */
  Constraint fork();
}
