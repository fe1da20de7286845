package io.mla4j.engine;

import java.util.Map;

/**
 * What an engine does and did.
 *
 * @param load now
 * @param cache its cache
 * @param counts since it was opened
 * @param latencies since it was opened
 */
public record Statistics(Load load, Cache cache, Counts counts, Latencies latencies) {
  /**
   * Texts now.
   *
   * @param running those that have pages
   * @param waiting those that have none
   */
  public record Load(int running, int waiting) {}

  /**
   * The cache.
   *
   * @param usedPages pages that texts hold now
   * @param rememberedPages pages that only the beginnings of earlier texts hold: free for who needs
   *     them
   * @param pages all
   * @param pageTokens tokens of a page
   * @param pageBytes bytes of a page
   * @param residentBytes memory that is taken up
   * @param lookups prompts that were looked up
   * @param hits those of which something was there
   * @param tokensAsked tokens that were looked up
   * @param tokensShared those that were there
   */
  public record Cache(
      int usedPages,
      int rememberedPages,
      int pages,
      int pageTokens,
      long pageBytes,
      long residentBytes,
      long lookups,
      long hits,
      long tokensAsked,
      long tokensShared) {}

  /**
   * Sums.
   *
   * @param requests that were taken
   * @param promptTokens of those that began
   * @param cachedTokens of these, what was not computed
   * @param generatedTokens that were chosen
   * @param guessedTokens guesses that were checked
   * @param acceptedTokens those of them that were chosen
   * @param steps of the model
   * @param putBack how often a text lost its pages to another one and was computed again
   * @param finished texts by reason, each reason with a count
   * @param failed texts that failed
   */
  public record Counts(
      long requests,
      long promptTokens,
      long cachedTokens,
      long generatedTokens,
      long guessedTokens,
      long acceptedTokens,
      long steps,
      long putBack,
      Map<FinishReason, Long> finished,
      long failed) {}

  /**
   * How long things took.
   *
   * @param queued from a request's submission to its first step
   * @param firstToken from a request's submission to the first token of each text
   * @param betweenTokens from one token of a text to its next
   * @param whole from a request's submission to the end of each text
   */
  public record Latencies(
      Histogram queued, Histogram firstToken, Histogram betweenTokens, Histogram whole) {}
}
