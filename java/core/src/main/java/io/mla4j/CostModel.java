package io.mla4j;

/**
 * Chooses the form of attention and the splits of a sequence from its own query and cached counts,
 * so that its bits never depend on the batch or the threads.
 */
final class CostModel {
  /** Shorter splits cost more in merging than they gain in parallel work. */
  private static final int MIN_SPLIT = 256;

  /** More splits than this only add partial results. */
  private static final int MAX_SPLITS = 32;

  private static final int SPLIT_MULTIPLE = 96;

  /** With this many queries there are enough tiles without splits. */
  private static final int UNSPLIT_QUERIES = 16;

  private CostModel() {}

  /**
   * The form with fewer multiplications: per head, absorbed {@code pairs * (2 latent + rope)} plus
   * the absorption and expansion of the queries; decompressed {@code pairs * (nope + rope + value)}
   * plus the rebuilding of every cached token's key and value.
   */
  static AttentionForm form(MlaShape s, int queries, int kvTokens) {
    double pairs = queries * (kvTokens - (queries - 1) / 2.0);
    double weights = (double) s.latent() * (s.nope() + s.value());
    double absorbed = pairs * (2.0 * s.latent() + s.rope()) + queries * weights;
    double decompressed = pairs * (s.nope() + s.rope() + s.value()) + kvTokens * weights;
    return absorbed <= decompressed ? AttentionForm.ABSORBED : AttentionForm.DECOMPRESSED;
  }

  /** Tokens of a split in the absorbed form. */
  static int splitLength(int queries, int kvTokens) {
    if (queries >= UNSPLIT_QUERIES) {
      return Math.max(1, kvTokens);
    }
    int length = Math.max(MIN_SPLIT, Math.ceilDiv(kvTokens, MAX_SPLITS));
    return Math.ceilDiv(length, SPLIT_MULTIPLE) * SPLIT_MULTIPLE;
  }
}
