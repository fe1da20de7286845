package io.mla4j.bench;

/**
 * Attention of one model width, {@code heads x 128}, that differs in what the cache holds for a
 * token.
 */
public enum Kind {
  /** One latent of 512 and one rotated key of 64 for all heads. */
  MLA,
  /** A key and a value of 128 for each head. */
  MHA,
  /** A key and a value for each of 8 groups of heads. */
  GQA,
  /** One key and one value for all heads. */
  MQA;

  /** Width of a head. */
  public static final int HEAD = 128;

  /** DeepSeek's latent. */
  public static final int LATENT = 512;

  /** DeepSeek's rotated key. */
  public static final int ROPE = 64;

  private static final int GROUPS = 8;

  /** Heads that have a key and a value of their own. */
  int cachedHeads(int heads) {
    return switch (this) {
      case MLA, MQA -> 1;
      case MHA -> heads;
      case GQA -> Math.min(GROUPS, heads);
    };
  }
}
