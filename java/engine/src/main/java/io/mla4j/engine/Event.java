package io.mla4j.engine;

import io.mla4j.Mla4jException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What happened to a choice of an {@link Answer}. Of each choice the last one is no token. */
public sealed interface Event {
  /** Which of the request's {@link Request#n} texts, from 0. */
  int choice();

  /**
   * A token was chosen.
   *
   * @param id the token; one that ends the text too
   * @param text what became certain of the text with it, often nothing: never half a character,
   *     never the start of a stop text. The text of a choice is that of all its tokens, one after
   *     the other
   * @param logprob null unless the request asked for it
   */
  record Token(int choice, int id, String text, @Nullable TokenLogprob logprob) implements Event {
    /** Checks that there is a text. */
    public Token {
      Objects.requireNonNull(text, "text");
    }
  }

  /**
   * The text ended.
   *
   * @param stopText the stop text that appeared, else null: a token that ends texts, or another
   *     reason
   * @param usage tokens of this choice
   */
  record Finished(int choice, FinishReason reason, @Nullable String stopText, Usage usage)
      implements Event {}

  /** The text could not be continued; its tokens so far stand. */
  record Failed(int choice, Mla4jException error) implements Event {}
}
