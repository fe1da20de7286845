package io.mla4j.text.speculation;

import io.mla4j.ops.Tensor;

/**
 * Guesses what follows a text, token by token. What it says changes how fast a text is written,
 * never what is written. Belongs to one thread at a time.
 */
public interface Guesser extends AutoCloseable {
  /** Kinds of guesses by how far they are to be trusted: 0 is the least trusted. */
  int TRUSTS = 9;

  /** Begins with what follows the first {@code count} of {@code ids}; what was guessed is over. */
  void begin(int[] ids, int count);

  /** The next guess, behind those since {@link #begin}; -1 where there is none. */
  int next();

  /** How far the last guess is to be trusted, below {@link #TRUSTS}. */
  int trust();

  /** How often guesses of such a trust are right, as long as nothing is known of this text. */
  double expected(int trust);

  /** Whether it needs {@link #computed}. */
  default boolean needsStates() {
    return false;
  }

  /**
   * Tells of tokens that went through the model.
   *
   * @param states (n, hidden) F32 in the device's memory, behind the final norm
   * @param position of the first of them in the text
   * @param ids the text
   * @param count its tokens: those behind them are guesses
   */
  default void computed(Tensor states, int position, int[] ids, int count) {}

  /** Forgets the tokens from {@code length} on. */
  void truncate(int length);

  @Override
  default void close() {}
}
