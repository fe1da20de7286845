package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.PrefixCache;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;

/** One cache for the sessions of a model, which share what their prompts begin with. */
final class SharedCache implements AutoCloseable {
  private final LatentCache cache;
  private final PrefixCache prefixes;
  private final PromptCut cut;

  private SharedCache(Decoder decoder, LatentCache cache, PrefixCache prefixes) {
    this.cache = cache;
    this.prefixes = prefixes;
    this.cut = PromptCut.of(decoder);
  }

  /**
   * A cache with room for {@code tokens} tokens.
   *
   * @throws InvalidArgumentException where the rows of the model's texts depend on what follows
   *     them, or layers have states of a recurrence
   */
  static SharedCache of(Decoder decoder, int tokens) {
    ModelDescription model = decoder.model();
    if (model.dependsOnLength()) {
      throw new InvalidArgumentException(
          "the model's rotation depends on the length of a text, so texts cannot share a"
              + " beginning");
    }
    LatentCache cache = decoder.cacheBuilder().tokens(tokens).growing(true).build();
    try {
      return new SharedCache(decoder, cache, new PrefixCache(cache, cache.bytes()));
    } catch (RuntimeException | Error e) {
      cache.close();
      throw e;
    }
  }

  LatentCache cache() {
    return cache;
  }

  PrefixCache prefixes() {
    return prefixes;
  }

  /** How prompts are cut. */
  PromptCut cut() {
    return cut;
  }

  @Override
  public void close() {
    prefixes.close();
    cache.close();
  }
}
