package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.Floats;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.spi.AttentionTile;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Both forms of attention. Tokens come in blocks whose rows are widened once for all query rows;
 * scores have query rows in the lanes, or where these are few the key's dimensions; weighted sums
 * of values have the value's dimensions in the lanes.
 */
final class VectorAttention {
  /** One for each thread, set anew for every tile: a decode loop makes no garbage here. */
  private static final ThreadLocal<VectorAttention> OF_THREAD =
      ThreadLocal.withInitial(VectorAttention::new);

  /**
   * Tokens of a block, multiples of {@link RowScores#KEY_MULTIPLE}: 216 KiB of the second-level
   * cache are 96 rows of 576 floats, or 192 as they are stored.
   */
  private static final int WIDENED_TOKENS = 96;

  private static final int STORED_TOKENS = 192;

  private final CachedRows cached = new CachedRows();
  private final QueryRows rows = new QueryRows();
  private final DimensionScores fewScores = new DimensionScores();
  private final RowSoftmax softmax = new RowSoftmax();
  private final WeightedSums sums = WeightedSums.ofThread();
  private final DotProducts products = DotProducts.ofThread();

  private AttentionTile params;
  private LatentLayout layout;

  /**
   * Whether the tiles take rows as they are stored, two BF16 elements in a float: widening in
   * registers costs nothing next to the multiplications, widening to memory as much as half of them
   * with 16 heads.
   */
  private boolean stored;

  /**
   * Whether rows are copied while they are scored: before it, the copy takes a tenth of the time of
   * 16 heads.
   */
  private boolean copiesInScores;

  private int blockTokens;

  /** Whether q, p and rebuilt keys and values are rounded to bfloat16. */
  private boolean rounds;

  /** Elements of a query or key. */
  private int width;

  /**
   * Where a key begins in a widened row: at its start, or after the latent where rows hold a key of
   * their own.
   */
  private int keyAt;

  private int keyStride;

  /** Elements of a value, and between rows of {@link #out} and of rebuilt values. */
  private int valueWidth;

  private int outStride;

  /** The slab, and where in it lies what besides the query rows and the softmax. */
  private float[] m;

  /** Scratch of {@link DimensionScores}. */
  private int fewSums;

  /** (slots, outStride): sums of weighted values. */
  private int out;

  /** (blockTokens, keyStride). */
  private int keys;

  /** (blockTokens, lanes of a group): scores, then weights. */
  private int scores;

  /** What is after all this: rows on their way to their lanes, or rebuilt values. */
  private int rest;

  private VectorAttention() {}

  /** The calling thread's own: begin a tile with {@link #absorbed} or {@link #decompressed}. */
  static VectorAttention ofThread() {
    return OF_THREAD.get();
  }

  /**
   * Begins a tile whose keys and values are rows of the cache.
   *
   * @param laneRows query rows with a lane each, the first
   * @param fewRows those after them, scored with dimensions in the lanes
   */
  VectorAttention absorbed(AttentionTile params, int laneRows, int fewRows) {
    this.params = params;
    this.layout = params.cache().layout();
    this.rounds = params.rounds();
    boolean ownKeys = params.ownKeys();
    this.width = params.queryWidth();
    this.valueWidth = params.outWidth();
    this.stored = canUseStored(layout);
    this.copiesInScores =
        stored && !ownKeys && laneRows == 0 && fewRows >= DimensionScores.LEAST_COPYING;
    if (stored) {
      this.keyAt = ownKeys ? layout.ropeOffset() / 2 : 0;
      this.keyStride = (int) (layout.rowStrideBytes() / Float.BYTES);
    } else {
      this.keyAt = ownKeys ? Slab.roundUp(layout.latent()) : 0;
      this.keyStride = keyAt + Slab.roundUp(width);
    }
    place(laneRows, fewRows, 0);
    cached.set(m, params.cache(), params.pages(), params.pageTable());
    return this;
  }

  /** Begins a tile of one head, whose keys and values are rebuilt from the cache. */
  VectorAttention decompressed(AttentionTile params, int queryRows) {
    this.params = params;
    this.layout = params.cache().layout();
    this.rounds = params.rounds();
    this.width = params.queryWidth();
    this.valueWidth = params.outWidth();
    this.stored = false;
    this.copiesInScores = false;
    this.keyAt = 0;
    this.keyStride = Slab.roundUp(width);
    int rebuilt = Slab.roundUp(valueWidth) + cachedStride();
    int products =
        Math.max(
            DotProducts.SCRATCH, RowSums.scratch(layout.latent(), params.nope(), WIDENED_TOKENS));
    place(queryRows, 0, WIDENED_TOKENS * rebuilt + products);
    cached.set(m, params.cache(), params.pages(), params.pageTable());
    return this;
  }

  /** Gives everything its place in the slab. */
  private void place(int laneRows, int fewRows, int rebuilding) {
    this.blockTokens = stored ? STORED_TOKENS : WIDENED_TOKENS;
    this.outStride = Slab.roundUp(valueWidth);
    rows.set(laneRows, fewRows, width, stored, rounds);
    this.fewSums = rows.place(Slab.START);
    this.out = Slab.after(fewSums, fewRows > 0 ? DimensionScores.SCRATCH : 0);
    this.keys = Slab.after(out, rows.slots * outStride);
    this.scores = Slab.after(keys, blockTokens * keyStride);
    this.rest = softmax.place(Slab.after(scores, blockTokens * 2 * L), rows.slots);
    this.m = Slab.ofThread(rest + Math.max(rebuilding, rows.scratch()));
    fewScores.set(m, stored, rows, keyStride, width, fewSums, cached);
  }

  /** Rows of whole pairs of vectors, without gaps, that the tiles for stored rows can take. */
  private static boolean canUseStored(LatentLayout layout) {
    return Lanes.WIDE
        && layout.type() == CacheType.BF16
        && layout.latent() % (2 * L) == 0
        && layout.rope() % (2 * L) == 0;
  }

  /** A cached row with zeros between latent and rotated key up to a whole cache line. */
  private int cachedStride() {
    return Slab.roundUp(layout.latent()) + Slab.roundUp(layout.rope());
  }

  /** Forgets all rows and keys. Rows that only fill a vector see no key. */
  void start() {
    rows.start(m, rest);
    softmax.start(m, params.scale());
    Arrays.fill(m, out, out + rows.slots * outStride, 0);
  }

  /** Row r is query {@code t} of head {@code h}. Rows come in order. */
  void setRow(int r, int t, int h) {
    float slope = params.slopes().byteSize() == 0 ? 0 : Floats.get(params.slopes(), h);
    int position = params.kvTokens() - params.queryTokens() + t;
    int visible = Math.max(0, params.causal() ? position + 1 : params.kvTokens());
    softmax.setRow(rows.slot(r), slope, position, visible);
    rows.setRow(r, params.q(), t * params.qTokenStride() + h * params.qHeadStride());
  }

  /** The first token that no row sees. */
  int end() {
    return softmax.mostVisible(0, rows.slots);
  }

  /**
   * Absorbed form: tokens [begin, end) of the cache are keys and, but for their last rope elements,
   * values.
   */
  void addCached(int begin, int end) {
    int ropeAt = keyAt == 0 ? layout.latent() : keyAt;
    for (int s = begin; s < end; s += blockTokens) {
      int tokens = Math.min(blockTokens, end - s);
      if (stored) {
        cached.fetch(s, tokens, keys, keyStride, !copiesInScores);
      } else {
        cached.widen(s, tokens, rounds, keys, keyStride, ropeAt);
      }
      addBlock(s, tokens, keys, keyStride);
    }
  }

  /**
   * Decompressed form: keys and values of one head are rebuilt from the latents of a block of
   * tokens.
   */
  void addRebuilt(int end, int head) {
    int latent = layout.latent();
    int ropeAt = Slab.roundUp(latent);
    int nope = params.nope();
    int stride = cachedStride();
    int values = rest;
    int latents = values + blockTokens * outStride;
    int scratch = latents + blockTokens * stride;
    for (int s = 0; s < end; s += blockTokens) {
      int tokens = Math.min(blockTokens, end - s);
      cached.widen(s, tokens, rounds, latents, stride, ropeAt);
      for (int t = 0; t < tokens; t++) {
        Arrays.fill(m, latents + t * stride + latent, latents + t * stride + ropeAt, 0);
      }
      rebuild(params.keys(), head, nope, latents, tokens, scratch, keys, keyStride);
      rebuild(params.values(), head, valueWidth, latents, tokens, scratch, values, outStride);
      for (int t = 0; t < tokens; t++) {
        int row = keys + t * keyStride;
        System.arraycopy(m, latents + t * stride + ropeAt, m, row + nope, layout.rope());
        if (rounds) {
          Lanes.roundBf16(m, row, width);
          Lanes.roundBf16(m, values + t * outStride, valueWidth);
        }
      }
      addBlock(s, tokens, values, outStride);
    }
  }

  /** Keys or values of a block of latents: {@code to} (tokens, toStride). */
  private void rebuild(
      HeadMatrices matrices,
      int head,
      int outputs,
      int latents,
      int tokens,
      int scratch,
      int to,
      int toStride) {
    long first = matrices.firstRow() + (long) head * matrices.headRows();
    int stride = cachedStride();
    if (matrices.transposed()) {
      RowSums.ofThread()
          .set(m, scratch, matrices.weight(), layout.latent())
          .times(latents, stride, tokens, first, to, toStride);
    } else {
      products.set(m, scratch, matrices.weight());
      products.times(latents, stride, tokens, first, outputs, to, toStride);
    }
  }

  /** Adds tokens [s, s + tokens) to the softmax of every row that sees them. */
  private void addBlock(int s, int tokens, int values, int valueStride) {
    if (!stored) {
      padKeys(tokens);
    }
    sums.set(m, stored, valueStride, valueWidth, outStride);
    for (int group = 0; group < rows.slots; group += rows.lanes(group)) {
      int lanes = rows.lanes(group);
      int count = rows.rows(group);
      int seen = Math.min(softmax.mostVisible(group, count) - s, tokens);
      if (seen <= 0) {
        continue;
      }
      boolean masked = softmax.leastVisible(group, count) - s < tokens;
      score(group, lanes, s, seen);
      for (int lane = 0; lane < lanes; lane += L) {
        softmax.weigh(group + lane, scores + lane, lanes, s, seen, masked);
      }
      if (rounds) {
        Lanes.roundBf16(m, scores, seen * lanes);
      }
      int to = out + group * outStride;
      sums.add(scores, lanes, count, values, seen, softmax.corrections + group, to);
    }
  }

  /** Zeros after the widened keys as far as the tiles read. */
  private void padKeys(int tokens) {
    int padded = rows.paddedWidth();
    for (int t = 0; width < padded && t < tokens; t++) {
      int key = keys + t * keyStride + keyAt;
      Arrays.fill(m, key + width, key + padded, 0);
    }
  }

  /** Scores of the first {@code tokens} keys of the block for one group of rows. */
  private void score(int group, int lanes, int s, int tokens) {
    int k = keys + keyAt;
    if (rows.isFew(group)) {
      if (copiesInScores) {
        fewScores.timesCopying(s, k, tokens, scores, lanes);
      } else {
        fewScores.times(k, tokens, scores, lanes);
      }
      return;
    }
    int q = rows.queries(group);
    int vectors = lanes / L;
    if (stored) {
      RowScores.timesBf16(m, q, vectors, k, keyStride, tokens, rows.evenWidth, scores);
    } else {
      RowScores.times(m, q, vectors, k, keyStride, tokens, rows.evenWidth, scores);
    }
  }

  /** Writes row r, query {@code t} of head {@code h}, to a part of the results. */
  void finishRow(int r, int part, int t, int h) {
    int slot = rows.slot(r);
    float factor = softmax.factor(slot);
    int row = out + slot * outStride;
    for (int d = row; d < row + outStride; d += L) {
      FloatVector.fromArray(F, m, d).mul(factor).intoArray(m, d);
    }
    if (stored) {
      Lanes.join(m, row, valueWidth);
    }
    long at = t * params.outTokenStride() + h * params.outHeadStride();
    Floats.write(m, row, params.out(part), at, valueWidth);
    long lseAt = t * params.lseTokenStride() + h * params.lseHeadStride();
    Floats.set(params.lse(part), lseAt, softmax.logSum(slot));
  }
}
