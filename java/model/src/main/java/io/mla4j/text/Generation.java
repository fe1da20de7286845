package io.mla4j.text;

/**
 * What was generated.
 *
 * @param text without special tokens, and without the stop string that ended it; empty where the
 *     model was opened without its tokenizer
 * @param ids every generated id, the one that ended the text included
 * @param finishReason why it ended
 * @param promptTokens ids of the prompt
 * @param promptNanos time for the prompt, up to its logits
 * @param generationNanos time for everything after it
 * @param cacheBytes bytes of the latent cache
 * @param speculated what guessing did
 */
public record Generation(
    String text,
    int[] ids,
    FinishReason finishReason,
    int promptTokens,
    long promptNanos,
    long generationNanos,
    long cacheBytes,
    Speculation.Figures speculated) {
  /** Why a generation ended. */
  public enum FinishReason {
    /** The model said that the text is over. */
    EOS,
    /** A stop string appeared. */
    STOP,
    /** As many tokens as were asked for. */
    LENGTH,
    /** The model's context is full. */
    CONTEXT,
    /** Somebody gave it up: by {@link io.mla4j.model.Cancellation} or an interrupt. */
    CANCELLED
  }

  /** The same with another reason. */
  Generation endedBy(FinishReason reason) {
    return new Generation(
        text, ids, reason, promptTokens, promptNanos, generationNanos, cacheBytes, speculated);
  }

  /** Prompt tokens in a second. */
  public double promptTokensPerSecond() {
    return promptTokens / seconds(promptNanos);
  }

  /** Generated tokens in a second, the first one, which the prompt's logits gave, not counted. */
  public double generatedTokensPerSecond() {
    return ids.length < 2 ? 0 : (ids.length - 1) / seconds(generationNanos);
  }

  private static double seconds(long nanos) {
    return Math.max(1, nanos) / 1e9;
  }
}
