package io.mla4j.text;

import io.mla4j.text.speculation.Speculator;
import org.jspecify.annotations.Nullable;

/**
 * How tokens are guessed that the model then checks several at a time. The text is the same with
 * all of them, to the bit: a guess stays where the model chooses the same token, with the same
 * random numbers.
 */
public enum Speculation {
  /** Not at all: a token a pass. */
  OFF,
  /**
   * By looking up what followed the last tokens earlier in the text: for texts that repeat
   * themselves.
   */
  LOOKUP,
  /** By the checkpoint's own layer for multi-token prediction, where it has one. */
  MTP;

  /**
   * What guesses for a session of {@code model} with room for {@code tokens} tokens; null where
   * nothing is guessed.
   */
  @Nullable Speculator start(Model model, int tokens) {
    return switch (this) {
      case OFF -> null;
      case LOOKUP -> model.guessers.lookup();
      case MTP -> model.guessers.mtp(tokens);
    };
  }

  /**
   * What guessing did.
   *
   * @param passes through the model for what was generated
   * @param guessed tokens that were guessed
   * @param accepted how many of them the model chose too
   */
  public record Figures(long passes, long guessed, long accepted) {
    /** Of nothing. */
    static final Figures NONE = new Figures(0, 0, 0);

    /** Guesses that the model accepted, in a pass. */
    public double acceptedPerPass() {
      return passes == 0 ? 0 : (double) accepted / passes;
    }

    Figures since(Figures earlier) {
      return new Figures(
          passes - earlier.passes, guessed - earlier.guessed, accepted - earlier.accepted);
    }
  }
}
