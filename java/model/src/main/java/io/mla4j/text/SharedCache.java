package io.mla4j.text;

import io.mla4j.AttentionForm;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.PrefixCache;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;

/**
 * One cache for the sessions of a model, which share what their prompts begin with, and the rule by
 * which a prompt is cut so that its bits do not depend on what was shared: its body, all whole
 * pages before its last token, is what is shared; its tail goes through the model in steps that
 * begin at the end of the body, whoever computed that.
 *
 * <p>A token of the body has the same bits wherever the body is cut, where steps are a multiple of
 * {@link #ROWS} tokens in the decompressed form on a CPU: its sums go by positions. Where another
 * form was asked for, pages or chunks are no such multiple, tokens choose what they attend to, or a
 * device has memory of its own, the body is cut at every page.
 */
final class SharedCache implements AutoCloseable {
  /** Queries that fill the longest vector: kernels sum those of what is left in another order. */
  private static final int ROWS = 16;

  private final LatentCache cache;
  private final PrefixCache prefixes;

  /** The most tokens of a step. */
  private final int chunk;

  private final boolean cutsAtPages;

  private SharedCache(Decoder decoder, LatentCache cache, PrefixCache prefixes) {
    this.cache = cache;
    this.prefixes = prefixes;
    int most = decoder.options().chunk();
    this.cutsAtPages =
        cache.pageSize() % ROWS != 0
            || most < ROWS
            || decoder.options().form() == AttentionForm.ABSORBED
            || decoder.model().indexer().isPresent()
            || !decoder.device().hostAccessible();
    this.chunk = cutsAtPages ? most : most / ROWS * ROWS;
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

  /** Where the body of a prompt ends. */
  int endOfBody(int tokens) {
    return Math.max(0, tokens - 1) / cache.pageSize() * cache.pageSize();
  }

  /** Where the step that begins at {@code from} ends, in a body that ends at {@code end}. */
  int endOfStep(int from, int end) {
    int page = cache.pageSize();
    int most = cutsAtPages ? Math.min(chunk, page - from % page) : chunk;
    return Math.min(end, from + most);
  }

  /** The form of a body's steps. */
  AttentionForm formOfBody() {
    return cutsAtPages ? AttentionForm.AUTO : AttentionForm.DECOMPRESSED;
  }

  /** Where tokens that are computed once more have to begin for their bits to be the same. */
  int cut(int length) {
    int unit = cutsAtPages ? cache.pageSize() : ROWS;
    return length / unit * unit;
  }

  @Override
  public void close() {
    prefixes.close();
    cache.close();
  }
}
