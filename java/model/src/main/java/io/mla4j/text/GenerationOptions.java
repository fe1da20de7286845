package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.model.Cancellation;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How far to continue a prompt, and how.
 *
 * @param maxTokens the most tokens to generate, at least 1
 * @param sampling how tokens are chosen
 * @param stop texts that end the generation and are left out of it; special tokens are found by
 *     their texts
 * @param cancellation what ends it from another thread, the prompt included; or null
 * @param speculation how tokens are guessed, which changes how fast they come alone
 */
public record GenerationOptions(
    int maxTokens,
    SamplingOptions sampling,
    List<String> stop,
    @Nullable Cancellation cancellation,
    Speculation speculation) {
  /** Up to 512 tokens, always the likeliest one. */
  public static final GenerationOptions DEFAULT = of(512, SamplingOptions.GREEDY);

  /**
   * Checks the counts.
   *
   * @throws InvalidArgumentException where a stop text is empty or maxTokens is below 1
   */
  public GenerationOptions {
    if (maxTokens < 1) {
      throw new InvalidArgumentException("maxTokens is " + maxTokens + ", but must be at least 1");
    }
    if (stop.contains("")) {
      throw new InvalidArgumentException("a stop text is empty");
    }
    stop = List.copyOf(stop);
  }

  /** Without guesses. */
  public GenerationOptions(
      int maxTokens,
      SamplingOptions sampling,
      List<String> stop,
      @Nullable Cancellation cancellation) {
    this(maxTokens, sampling, stop, cancellation, Speculation.OFF);
  }

  /** Without stop texts; only an interrupt cancels it. */
  public static GenerationOptions of(int maxTokens, SamplingOptions sampling) {
    return new GenerationOptions(maxTokens, sampling, List.of(), null);
  }

  /** The same with these stop texts. */
  public GenerationOptions stopAt(String... texts) {
    return new GenerationOptions(maxTokens, sampling, List.of(texts), cancellation, speculation);
  }

  /** The same, ended by {@code token}. */
  public GenerationOptions cancelledBy(@Nullable Cancellation token) {
    return new GenerationOptions(maxTokens, sampling, stop, token, speculation);
  }

  /** The same with tokens guessed in this way. */
  public GenerationOptions speculate(Speculation how) {
    return new GenerationOptions(maxTokens, sampling, stop, cancellation, how);
  }

  /** The same with other counts of tokens. */
  GenerationOptions upTo(int tokens) {
    return new GenerationOptions(tokens, sampling, stop, cancellation, speculation);
  }
}
