package io.mla4j.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A whole answer.
 *
 * @param choices the texts
 */
public record Result(List<Choice> choices) {
  /** Keeps its own copy of the list. */
  public Result {
    choices = List.copyOf(choices);
  }

  /** The text of the first choice. */
  public String text() {
    return choices.getFirst().text();
  }

  /** Tokens of all choices: the prompt, which they share, counts once. */
  public Usage usage() {
    Usage first = choices.getFirst().usage();
    int generated = choices.stream().mapToInt(choice -> choice.usage().generatedTokens()).sum();
    return new Usage(first.promptTokens(), first.cachedTokens(), generated);
  }

  /**
   * One text.
   *
   * @param text without the stop text
   * @param ids the tokens, the one that ended the text included
   * @param logprobs one for each token where the request asked for them, else empty
   * @param reason why it ended
   * @param stopText the stop text that appeared, or null
   * @param usage its tokens
   */
  public record Choice(
      String text,
      int[] ids,
      List<TokenLogprob> logprobs,
      FinishReason reason,
      @Nullable String stopText,
      Usage usage) {}
}
