package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.InvalidStateException;
import io.mla4j.MlaShape;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The attention of one sequence: query t stands at position {@code kvTokens - queryTokens + t}. A
 * tile's rows are queries, its keys cached tokens; results go to the tile's part.
 *
 * <p>Absorbed form: q (queries, heads, latent + rope), or (.., rope) where rows hold keys of their
 * own; out (queries, heads, latent). Decompressed form, over all keys: q (queries, heads, nope +
 * rope), out (queries, heads, value). lse (queries, heads). All F32; strides in elements.
 */
public final class AttentionTile extends CachePages implements Operation {
  private final ComputeType compute;
  private final int heads;
  private final AttentionScore score;

  /** Null in the absorbed form. */
  private final @Nullable Rebuilt rebuilt;

  private boolean causal = true;
  private boolean ownKeys;
  private int queryTokens;
  private int kvTokens;
  private MemorySegment q = MemorySegment.NULL;
  private long qTokenStride;
  private long qHeadStride;
  private MemorySegment[] outs = new MemorySegment[1];
  private MemorySegment[] lses = new MemorySegment[1];
  private int parts;
  private long outTokenStride;
  private long outHeadStride;
  private long lseTokenStride;
  private long lseHeadStride;

  /** What keys and values are made with. */
  private record Rebuilt(LatentUp up, MlaShape shape, HeadMatrices keys, HeadMatrices values) {}

  private AttentionTile(
      ComputeType compute, int heads, AttentionScore score, @Nullable Rebuilt rebuilt) {
    this.compute = compute;
    this.heads = heads;
    this.score = score;
    this.rebuilt = rebuilt;
  }

  /** Queries that are absorbed already. */
  public static AttentionTile absorbed(ComputeType compute, int heads, AttentionScore score) {
    return new AttentionTile(compute, heads, score, null);
  }

  /** Queries over keys and values that are rebuilt from latents. */
  public static AttentionTile decompressed(
      ComputeType compute, MlaShape shape, AttentionScore score, LatentUp up) {
    Rebuilt rebuilt = new Rebuilt(up, shape, up.keys(shape), up.values(shape));
    return new AttentionTile(compute, shape.heads(), score, rebuilt);
  }

  /**
   * Other attention than a decoder's.
   *
   * @param causal whether a query sees only keys up to its own position
   * @param ownKeys absorbed form only: the part of a row after the latent is its whole key, as in
   *     multi-query attention
   */
  public AttentionTile variant(boolean causal, boolean ownKeys) {
    this.causal = causal;
    this.ownKeys = ownKeys;
    return this;
  }

  /** The same sequence with other numbers, for whoever puts something between. */
  public AttentionTile copy(ComputeType compute, AttentionScore score) {
    AttentionTile copy = new AttentionTile(compute, heads, score, rebuilt);
    copy.variant(causal, ownKeys);
    copy.pages(cache(), pages(), pageTable());
    copy.queries(q, qTokenStride, qHeadStride);
    copy.tokens(queryTokens, kvTokens);
    copy.strides(outTokenStride, outHeadStride, lseTokenStride, lseHeadStride);
    for (int i = 0; i < parts; i++) {
      copy.addPart(outs[i], lses[i]);
    }
    return copy;
  }

  /** Query tokens, and cached ones with the new ones. */
  public void tokens(int queryTokens, int kvTokens) {
    this.queryTokens = queryTokens;
    this.kvTokens = kvTokens;
  }

  /** The sequence's queries: rows of q (n, heads, width) from {@code first} on. */
  public void queries(Tensor q, int first) {
    queries(q.segmentFrom(first), q.stride(0), q.stride(1));
  }

  /** The sequence's queries from the first one on, with strides of tokens and heads. */
  public void queries(MemorySegment q, long tokenStride, long headStride) {
    this.q = q;
    qTokenStride = tokenStride;
    qHeadStride = headStride;
  }

  /** How the parts of the results lie: strides of tokens and heads, of out and of lse. */
  public void strides(long outToken, long outHead, long lseToken, long lseHead) {
    outTokenStride = outToken;
    outHeadStride = outHead;
    lseTokenStride = lseToken;
    lseHeadStride = lseHead;
    parts = 0;
  }

  /** One more part of the results: its first query's. Call it after {@link #strides}. */
  public void addPart(MemorySegment out, MemorySegment lse) {
    if (parts == outs.length) {
      outs = Arrays.copyOf(outs, 2 * parts);
      lses = Arrays.copyOf(lses, 2 * parts);
    }
    outs[parts] = out;
    lses[parts++] = lse;
  }

  /** Whether keys and values are rebuilt. */
  public boolean isDecompressed() {
    return rebuilt != null;
  }

  /** Whether queries and probabilities are rounded to bf16. */
  public boolean rounds() {
    return cache().layout().type().rounds(compute);
  }

  /** Whether queries and probabilities become integers instead. */
  public boolean multipliesCodes() {
    return !isDecompressed() && cache().layout().type().multipliesCodes(compute);
  }

  /** What is computed with. */
  public ComputeType compute() {
    return compute;
  }

  /** Query heads. */
  public int heads() {
    return heads;
  }

  /** Scale and slopes. */
  public AttentionScore score() {
    return score;
  }

  /** Of the dot product. */
  public float scale() {
    return score.scale();
  }

  /** (heads) F32 or NULL. */
  public MemorySegment slopes() {
    Tensor slopes = score.alibiSlopes();
    return slopes == null ? MemorySegment.NULL : slopes.segment();
  }

  /** Whether a query sees only keys up to its own position. */
  public boolean causal() {
    return causal;
  }

  /** Whether rows hold keys of their own after their values. */
  public boolean ownKeys() {
    return ownKeys;
  }

  /** The element of a row where its key starts. */
  public int keyOffset() {
    return ownKeys ? cache().layout().ropeOffset() : 0;
  }

  /** Width of a query or key. */
  public int queryWidth() {
    int plain = rebuilt != null ? nope() : ownKeys ? 0 : cache().layout().latent();
    return plain + cache().layout().rope();
  }

  /** Width of a result. */
  public int outWidth() {
    return rebuilt != null ? value() : cache().layout().latent();
  }

  /** Decompressed form only: width of an unrotated query or key. */
  public int nope() {
    return rebuilt == null ? 0 : rebuilt.shape.nope();
  }

  /** Decompressed form only: width of a value. */
  public int value() {
    return rebuilt == null ? 0 : rebuilt.shape.value();
  }

  /** Decompressed form only: W_UK and W_UV. */
  public LatentUp up() {
    return rebuilt().up;
  }

  /** Decompressed form only: W_UK. */
  public HeadMatrices keys() {
    return rebuilt().keys;
  }

  /** Decompressed form only: W_UV. */
  public HeadMatrices values() {
    return rebuilt().values;
  }

  private Rebuilt rebuilt() {
    if (rebuilt == null) {
      throw new InvalidStateException("absorbed attention has no matrices of keys and values");
    }
    return rebuilt;
  }

  /** Queries of the sequence. */
  public int queryTokens() {
    return queryTokens;
  }

  /** Cached tokens of the sequence, the new ones included. */
  public int kvTokens() {
    return kvTokens;
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

  /** Parts of the results. */
  public int parts() {
    return parts;
  }

  /** Part {@code i} of the results. */
  public MemorySegment out(int i) {
    return outs[i];
  }

  /** Part {@code i} of the logarithms. */
  public MemorySegment lse(int i) {
    return lses[i];
  }

  /** Elements between tokens of out. */
  public long outTokenStride() {
    return outTokenStride;
  }

  /** Elements between heads of out. */
  public long outHeadStride() {
    return outHeadStride;
  }

  /** Elements between tokens of lse. */
  public long lseTokenStride() {
    return lseTokenStride;
  }

  /** Elements between heads of lse. */
  public long lseHeadStride() {
    return lseHeadStride;
  }

  @Override
  public String name() {
    return isDecompressed() ? "attention, decompressed" : "attention, absorbed";
  }
}
