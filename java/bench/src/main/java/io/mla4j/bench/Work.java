package io.mla4j.bench;

/**
 * What one operation has to do, by the conventions of docs/benchmarks.md.
 *
 * @param flop multiplications and additions
 * @param bytes cached rows and weights, each counted once; activations stay in the processor's
 *     caches and are not counted
 * @param cacheBytes bytes of the cache of one layer that hold this context, 0 without a cache
 */
public record Work(long flop, long bytes, long cacheBytes) {
  /**
   * (query, key) pairs of {@code queries} tokens at the end of {@code tokens}: a query sees itself
   * and what is before it.
   */
  static long visiblePairs(int queries, int tokens) {
    return (long) queries * tokens - (long) queries * (queries - 1) / 2;
  }

  /** Attention whose queries are absorbed already: 2 x heads x pairs x (2 latent + rope). */
  static long absorbedFlop(int heads, long pairs, int latent, int rope) {
    return 2L * heads * pairs * (2L * latent + rope);
  }

  /**
   * Attention over rebuilt keys and values: 2 x heads x (nope + rope + value) x pairs, and 2 x
   * tokens x latent x heads x (nope + value) for the rebuilding.
   */
  static long decompressedFlop(
      int heads, long pairs, long tokens, int latent, int rope, int nope, int value) {
    return 2L * heads * (nope + rope + value) * pairs
        + 2L * tokens * latent * heads * (nope + value);
  }

  /** Attention of keys and values of their own: 2 x heads x (key + value) x pairs. */
  static long keyValueFlop(int heads, long pairs, int key, int value) {
    return 2L * heads * pairs * (key + value);
  }
}
