package io.mla4j.spi;

import io.mla4j.ops.ChooseKeys;
import io.mla4j.ops.Operation;
import java.lang.foreign.MemorySegment;

/**
 * The scores of the keys of one sequence by {@link ChooseKeys}. A tile's rows are queries, its keys
 * cached tokens: query t stands at position {@code kvTokens - queryTokens + t}, and the scores of
 * what lies behind it are left as they are.
 *
 * <p>q (queries, heads, width), weights (queries, heads), scores (queries, at least kvTokens), all
 * F32; strides in elements.
 */
public final class ScoreTile extends CachePages implements Operation {
  private final int heads;
  private int queryTokens;
  private int kvTokens;
  private MemorySegment q = MemorySegment.NULL;
  private long qTokenStride;
  private long qHeadStride;
  private MemorySegment weights = MemorySegment.NULL;
  private long weightStride;
  private MemorySegment scores = MemorySegment.NULL;
  private long scoreStride;

  /** Scores of {@code heads} heads. */
  public ScoreTile(int heads) {
    this.heads = heads;
  }

  /** Query tokens, and cached ones with the new ones. */
  public void tokens(int queryTokens, int kvTokens) {
    this.queryTokens = queryTokens;
    this.kvTokens = kvTokens;
  }

  /** The first query's q, and the strides of tokens and heads. */
  public void queries(MemorySegment q, long tokenStride, long headStride) {
    this.q = q;
    qTokenStride = tokenStride;
    qHeadStride = headStride;
  }

  /** The first query's weights, and the stride of tokens. */
  public void weights(MemorySegment weights, long stride) {
    this.weights = weights;
    weightStride = stride;
  }

  /** The first query's scores, and the stride of tokens. */
  public void scores(MemorySegment scores, long stride) {
    this.scores = scores;
    scoreStride = stride;
  }

  /** Heads of the indexer. */
  public int heads() {
    return heads;
  }

  /** Elements of a query and of a key. */
  public int width() {
    return cache().layout().latent();
  }

  /** Queries of the sequence. */
  public int queryTokens() {
    return queryTokens;
  }

  /** Cached tokens of the sequence, the new ones included. */
  public int kvTokens() {
    return kvTokens;
  }

  /** The tokens that query t sees. */
  public int visible(int t) {
    return kvTokens - queryTokens + t + 1;
  }

  /** The queries. */
  public MemorySegment q() {
    return q;
  }

  /** Elements between tokens of q. */
  public long qTokenStride() {
    return qTokenStride;
  }

  /** Elements between heads of q. */
  public long qHeadStride() {
    return qHeadStride;
  }

  /** Factors of the heads. */
  public MemorySegment weights() {
    return weights;
  }

  /** Elements between tokens of weights. */
  public long weightStride() {
    return weightStride;
  }

  /** The results. */
  public MemorySegment scores() {
    return scores;
  }

  /** Elements between tokens of scores. */
  public long scoreStride() {
    return scoreStride;
  }

  @Override
  public String name() {
    return "scores of keys";
  }
}
