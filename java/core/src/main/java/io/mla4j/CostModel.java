package io.mla4j;

import io.mla4j.spi.Kernels;

/**
 * Chooses the form of attention and the splits of a sequence from its own query and cached counts,
 * so that its bits never depend on the batch or the threads.
 */
final class CostModel {
  /** Tiles of one decoded token: enough for eight threads. Longer texts have more of them. */
  private static final int TILES = 8;

  /**
   * The shortest split: a tile's own cost (queries packed, results written and merged) is that of
   * about a hundred tokens.
   */
  private static final int MIN_SPLIT = 512;

  private static final int MAX_SPLIT = 4096;

  /** Blocks of tokens in the kernels. */
  private static final int SPLIT_MULTIPLE = 128;

  /** With this many rows (queries times heads) there are enough tiles without splits. */
  private static final int UNSPLIT_ROWS = 2048;

  private CostModel() {}

  /**
   * The faster form. Per head, absorbed: {@code pairs * (2 latent + rope)} multiply-adds and the
   * projection of every query; decompressed: {@code pairs * (nope + rope + value)} and the
   * rebuilding of every cached token's key and value.
   */
  static AttentionForm form(MlaShape s, int queries, int kvTokens, AttentionCosts costs) {
    double pairs = queries * (kvTokens - (queries - 1) / 2.0);
    double weights = (double) s.latent() * (s.nope() + s.value());
    double absorbed =
        pairs * (2.0 * s.latent() + s.rope()) * costs.absorbed()
            + queries * weights * costs.project();
    double decompressed =
        pairs * (s.nope() + s.rope() + s.value()) * costs.decompressed()
            + (kvTokens + costs.rebuildStart()) * weights * costs.rebuild();
    return absorbed <= decompressed ? AttentionForm.ABSORBED : AttentionForm.DECOMPRESSED;
  }

  /** Tokens of a split in the absorbed form. */
  static int splitLength(int heads, int queries, int kvTokens) {
    if ((long) queries * heads >= UNSPLIT_ROWS) {
      return Math.max(1, kvTokens);
    }
    int blocks = Math.ceilDiv(heads, Kernels.HEAD_BLOCK);
    long length = Math.max((long) MIN_SPLIT * blocks, (long) kvTokens * blocks / TILES);
    return (int) Math.ceilDiv(Math.min(length, MAX_SPLIT), SPLIT_MULTIPLE) * SPLIT_MULTIPLE;
  }
}
