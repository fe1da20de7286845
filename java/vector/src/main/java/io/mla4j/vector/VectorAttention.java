package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.cpu.Stored;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Both forms of attention. Tokens come in blocks whose rows are widened once for all query rows;
 * scores have query rows in the lanes, or where these are few the key's numbers; weighted sums of
 * values have the value's numbers in the lanes (online softmax, Milakov and Gimelshein 2018).
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

  private final DimensionScores fewScores = new DimensionScores();
  private final WeightedSums sums = WeightedSums.ofThread();
  private AttentionParams params;
  private CacheParams cacheParams;
  private MemorySegment cache;
  private MemorySegment pageTable;

  /**
   * Whether the tiles take rows as they are stored, two BF16 numbers in a float: widening in
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

  /**
   * Query rows that are scored in lanes, and the few that are not. The first begin at slot 0, the
   * others at slot {@code fewAt}, on a whole vector.
   */
  private int laneRows;

  private int fewRows;
  private int fewAt;
  private int slots;

  /** Numbers of a query or key, without and with a zero that makes them even. */
  private int width;

  private int evenWidth;

  private int queryStride;

  /**
   * Where a key begins in a widened row: at its start, or behind the latent where rows hold a key
   * of their own.
   */
  private int keyAt;

  private int keyStride;

  /** Numbers of a value, and between rows of {@link #out} and of rebuilt values. */
  private int valueWidth;

  private int outStride;

  /** The slab, and where in it lies what. */
  private float[] m;

  /** In groups of one or two vectors of rows: (evenWidth, lanes of the group) for each. */
  private int queries;

  /** (fewRows, queryStride). */
  private int fewQueries;

  /** Scratch of {@link DimensionScores}. */
  private int fewSums;

  /** (slots, outStride): sums of weighted values. */
  private int out;

  /** (blockTokens, keyStride). */
  private int keys;

  /** (blockTokens, lanes of a group): scores, then weights. */
  private int scores;

  /**
   * Numbers of each row: the largest score so far, the sum of the weights, and what earlier sums
   * are multiplied with.
   */
  private int maxima;

  private int denominators;
  private int corrections;

  /**
   * Numbers of each row: its ALiBi slope, its position, and how many tokens it sees, counted from
   * the first.
   */
  private int slopes;

  private int positions;
  private int visible;

  /** What is behind all this: a vector of queries, or rebuilt values. */
  private int rest;

  private VectorAttention() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static VectorAttention ofThread() {
    return OF_THREAD.get();
  }

  /**
   * Begins a tile, whose rows {@link #setRow} sets.
   *
   * @param absorbed whether keys and values are rows of the cache
   * @param ownKeys absorbed form only: the rows of the cache hold keys of their own behind the
   *     values
   */
  VectorAttention set(
      AttentionParams params,
      CacheParams cacheParams,
      MemorySegment cache,
      MemorySegment pageTable,
      boolean rounds,
      int laneRows,
      int fewRows,
      boolean absorbed,
      boolean ownKeys,
      int width,
      int valueWidth) {
    this.params = params;
    this.cacheParams = cacheParams;
    this.cache = cache;
    this.pageTable = pageTable;
    this.rounds = rounds;
    this.laneRows = laneRows;
    this.fewRows = fewRows;
    this.fewAt = Lanes.roundUp(laneRows);
    this.slots = fewAt + Lanes.roundUp(fewRows);
    this.width = width;
    this.evenWidth = width + width % 2;
    LatentLayout layout = cacheParams.layout();
    this.stored = absorbed && canUseStored(layout);
    this.copiesInScores =
        stored && !ownKeys && laneRows == 0 && fewRows >= DimensionScores.LEAST_COPYING;
    this.blockTokens = stored ? STORED_TOKENS : WIDENED_TOKENS;
    this.queryStride = Slab.roundUp(width);
    if (stored) {
      this.keyAt = ownKeys ? layout.ropeOffset() / 2 : 0;
      this.keyStride = (int) (layout.rowStrideBytes() / Float.BYTES);
    } else {
      this.keyAt = ownKeys ? Slab.roundUp(layout.latent()) : 0;
      this.keyStride = keyAt + queryStride;
    }
    this.valueWidth = valueWidth;
    this.outStride = Slab.roundUp(valueWidth);
    this.queries = Slab.START;
    this.fewQueries = Slab.after(queries, fewAt * evenWidth);
    this.fewSums = Slab.after(fewQueries, fewRows * queryStride);
    this.out = Slab.after(fewSums, fewRows > 0 ? DimensionScores.SCRATCH : 0);
    this.keys = Slab.after(out, slots * outStride);
    this.scores = Slab.after(keys, blockTokens * keyStride);
    this.maxima = Slab.after(scores, blockTokens * 2 * L);
    this.denominators = Slab.after(maxima, slots);
    this.corrections = Slab.after(denominators, slots);
    this.slopes = Slab.after(corrections, slots);
    this.positions = Slab.after(slopes, slots);
    this.visible = Slab.after(positions, slots);
    this.rest = Slab.after(visible, slots);
    int rebuilding = blockTokens * (outStride + cachedStride()) + DotProducts.SCRATCH;
    this.m = Slab.ofThread(rest + Math.max(rebuilding, L * queryStride));
    fewScores.set(m, stored, fewQueries, queryStride, fewRows, keyStride, width, fewSums);
    fewScores.setCache(cacheParams, cache, pageTable);
    return this;
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
    return Slab.roundUp(cacheParams.layout().latent()) + Slab.roundUp(cacheParams.layout().rope());
  }

  /** Forgets all rows and keys. Rows that only fill a vector see no key. */
  void start() {
    if (laneRows < fewAt || width < evenWidth || fewRows > 0) {
      Arrays.fill(m, queries, fewSums, 0);
    }
    Arrays.fill(m, out, out + slots * outStride, 0);
    Arrays.fill(m, maxima, maxima + slots, Float.NEGATIVE_INFINITY);
    Arrays.fill(m, denominators, rest, 0);
  }

  /** Row r is query {@code t}, which lies at element {@code at} of q. Rows come in order. */
  void setRow(int r, int t, float slope, MemorySegment q, long at) {
    int slot = slot(r);
    int position = params.kvTokens() - params.queryTokens() + t;
    m[slopes + slot] = slope;
    m[positions + slot] = position;
    m[visible + slot] = Math.max(0, params.causal() ? position + 1 : params.kvTokens());
    int lane = slot % L;
    int row = rest + lane * queryStride;
    Stored.readFloats(q, at, m, row, width);
    if (rounds) {
      Lanes.roundBf16(m, row, width);
    }
    if (slot >= fewAt) {
      int few = fewQueries + (slot - fewAt) * queryStride;
      if (stored) {
        Lanes.split(m, row, few, width);
      } else {
        System.arraycopy(m, row, m, few, width);
      }
    } else if (lane == L - 1 || r == laneRows - 1) {
      transpose(slot - lane, lane + 1);
    }
  }

  /** The rows of one vector, which setRow has collected, go into its lanes. */
  private void transpose(int slot, int rows) {
    int group = slot / (2 * L) * 2 * L;
    int lanes = lanes(group);
    int to = queries + group * evenWidth + slot - group;
    int row = rest;
    int lane = 0;
    for (; lane + 4 <= rows; lane += 4) {
      transpose4(m, row + lane * queryStride, queryStride, width, to + lane, lanes);
    }
    for (; lane < rows; lane++) {
      for (int d = 0; d < width; d++) {
        m[to + lane + d * lanes] = m[row + lane * queryStride + d];
      }
    }
  }

  private static void transpose4(float[] m, int r0, int stride, int width, int to, int lanes) {
    int r1 = r0 + stride;
    int r2 = r1 + stride;
    int r3 = r2 + stride;
    int at = to;
    for (int d = 0; d < width; d++) {
      m[at] = m[r0 + d];
      m[at + 1] = m[r1 + d];
      m[at + 2] = m[r2 + d];
      m[at + 3] = m[r3 + d];
      at += lanes;
    }
  }

  private int slot(int r) {
    return r < laneRows ? r : fewAt + r - laneRows;
  }

  /** Lanes of the group that begins at this slot. */
  private int lanes(int group) {
    return Math.min(2 * L, (group < fewAt ? fewAt : slots) - group);
  }

  /** The first token that no row sees. */
  int end() {
    float end = 0;
    for (int slot = 0; slot < slots; slot++) {
      end = Math.max(end, m[visible + slot]);
    }
    return (int) end;
  }

  /**
   * Absorbed form: tokens [begin, end) of the cache are keys and, but for their last rope numbers,
   * values.
   */
  void addCached(int begin, int end) {
    int ropeAt = keyAt == 0 ? cacheParams.layout().latent() : keyAt;
    for (int s = begin; s < end; s += blockTokens) {
      int tokens = Math.min(blockTokens, end - s);
      if (stored) {
        fetchRows(s, tokens, keys, keyStride);
      } else {
        widenRows(s, tokens, keys, keyStride, ropeAt);
      }
      addBlock(s, tokens, keys, keyStride);
    }
  }

  /**
   * Decompressed form: keys and values of one head are rebuilt from the latents of a block of
   * tokens.
   */
  void addRebuilt(int end, MemorySegment kvB, int head) {
    int latent = cacheParams.layout().latent();
    int rope = cacheParams.layout().rope();
    int nope = params.nope();
    int ropeAt = Slab.roundUp(latent);
    int stride = cachedStride();
    int values = rest;
    int cached = values + blockTokens * outStride;
    int scratch = cached + blockTokens * stride;
    StorageFormat type = params.weightType();
    long strideBytes = type.bytes(params.weightStride());
    long keysAt = type.bytes(head * params.weightHeadStride());
    long valuesAt = keysAt + nope * strideBytes;
    for (int s = 0; s < end; s += blockTokens) {
      int tokens = Math.min(blockTokens, end - s);
      widenRows(s, tokens, cached, stride, ropeAt);
      for (int t = 0; t < tokens; t++) {
        Arrays.fill(m, cached + t * stride + latent, cached + t * stride + ropeAt, 0);
      }
      DotProducts.times(
          m,
          scratch,
          cached,
          stride,
          tokens,
          latent,
          type,
          kvB,
          keysAt,
          strideBytes,
          nope,
          keys,
          keyStride);
      DotProducts.times(
          m,
          scratch,
          cached,
          stride,
          tokens,
          latent,
          type,
          kvB,
          valuesAt,
          strideBytes,
          valueWidth,
          values,
          outStride);
      for (int t = 0; t < tokens; t++) {
        int row = keys + t * keyStride;
        System.arraycopy(m, cached + t * stride + ropeAt, m, row + nope, rope);
        if (rounds) {
          Lanes.roundBf16(m, row, width);
          Lanes.roundBf16(m, values + t * outStride, valueWidth);
        }
      }
      addBlock(s, tokens, values, outStride);
    }
  }

  /**
   * m[to + t * stride ..] = the latent of token s + t, m[to + t * stride + ropeAt ..] = its rotated
   * key.
   */
  private void widenRows(int s, int tokens, int to, int stride, int ropeAt) {
    StorageFormat type = cacheParams.layout().type().format();
    int latent = cacheParams.layout().latent();
    int rope = cacheParams.layout().rope();
    long keyBytes = type.bytes(cacheParams.layout().ropeOffset());
    for (int t = 0; t < tokens; t++) {
      long row = Stored.rowOffset(cacheParams, pageTable, s + t);
      Lanes.widen(type, cache, row, m, to + t * stride, latent);
      Lanes.widen(type, cache, row + keyBytes, m, to + t * stride + ropeAt, rope);
    }
  }

  /** m[to + t * stride ..] = the row of token s + t as it is stored, or only brings it near. */
  private void fetchRows(int s, int tokens, int to, int stride) {
    int pageSize = cacheParams.pageSize();
    for (int t = 0; t < tokens; ) {
      int count = Math.min(pageSize - (s + t) % pageSize, tokens - t);
      long row = Stored.rowOffset(cacheParams, pageTable, s + t);
      int at = to + t * stride;
      m[at] = Lanes.touch(cache, row, count * stride * (long) Float.BYTES);
      if (!copiesInScores) {
        Stored.readFloats(cache, row / Float.BYTES, m, at, count * stride);
      }
      t += count;
    }
  }

  /** Adds tokens [s, s + tokens) to the softmax of every row that sees them. */
  private void addBlock(int s, int tokens, int values, int valueStride) {
    if (!stored) {
      padKeys(tokens);
    }
    for (int group = 0; group < slots; group += lanes(group)) {
      int lanes = lanes(group);
      int groupRows = group == fewAt ? fewRows : Math.min(lanes, laneRows - group);
      int seen = 0;
      boolean full = true;
      for (int r = group; r < group + groupRows; r++) {
        int n = (int) m[visible + r] - s;
        seen = Math.max(seen, n);
        full &= n >= tokens;
      }
      seen = Math.min(seen, tokens);
      if (seen <= 0) {
        continue;
      }
      score(group, lanes, s, seen);
      for (int lane = 0; lane < lanes; lane += L) {
        if (full) {
          softmax(group + lane, lane, lanes, s, seen);
        } else {
          maskedSoftmax(group + lane, lane, lanes, s, seen);
        }
      }
      if (rounds) {
        Lanes.roundBf16(m, scores, seen * lanes);
      }
      sums.set(m, stored, valueStride, valueWidth, outStride)
          .add(
              scores, lanes, groupRows, values, seen, corrections + group, out + group * outStride);
    }
  }

  /** Zeros behind the widened keys as far as the tiles read. */
  private void padKeys(int tokens) {
    int padded = fewRows > 0 ? Lanes.roundUp(width) : evenWidth;
    for (int t = 0; width < padded && t < tokens; t++) {
      int key = keys + t * keyStride + keyAt;
      Arrays.fill(m, key + width, key + padded, 0);
    }
  }

  /** Scores of the first {@code tokens} keys of the block for one group of rows. */
  private void score(int group, int lanes, int s, int tokens) {
    int k = keys + keyAt;
    if (group == fewAt) {
      if (copiesInScores) {
        fewScores.timesCopying(s, k, tokens, scores, lanes);
      } else {
        fewScores.times(k, tokens, scores, lanes);
      }
      return;
    }
    int q = queries + group * evenWidth;
    if (stored) {
      RowScores.timesBf16(m, q, lanes / L, k, keyStride, tokens, evenWidth, scores);
    } else {
      RowScores.times(m, q, lanes / L, k, keyStride, tokens, evenWidth, scores);
    }
  }

  /**
   * Scores of one vector of rows, all of which see all tokens, into weights; their maxima,
   * denominators and corrections.
   */
  private void softmax(int row, int lane, int lanes, int s, int tokens) {
    FloatVector scale = FloatVector.broadcast(F, params.scale());
    FloatVector slope = FloatVector.fromArray(F, m, slopes + row);
    FloatVector distance = FloatVector.fromArray(F, m, positions + row).sub(s);
    FloatVector before = FloatVector.fromArray(F, m, maxima + row);
    FloatVector max = before;
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes + lane;
      FloatVector score =
          FloatVector.fromArray(F, m, at).mul(scale).sub(slope.mul(distance.sub(t)));
      score.intoArray(m, at);
      max = max.blend(score, score.compare(VectorOperators.GT, max));
    }
    FloatVector correction = Lanes.exp(before.sub(max));
    FloatVector sum = FloatVector.zero(F); // small terms would drown in the sum of a long text
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes + lane;
      FloatVector p = Lanes.exp(FloatVector.fromArray(F, m, at).sub(max));
      sum = sum.add(p);
      p.intoArray(m, at);
    }
    max.intoArray(m, maxima + row);
    FloatVector sums = FloatVector.fromArray(F, m, denominators + row).mul(correction).add(sum);
    sums.intoArray(m, denominators + row);
    correction.intoArray(m, corrections + row);
  }

  /**
   * The same where row r sees only its first visible[r] tokens, which may be none: weight 0 for the
   * others.
   */
  private void maskedSoftmax(int row, int lane, int lanes, int s, int tokens) {
    FloatVector scale = FloatVector.broadcast(F, params.scale());
    FloatVector slope = FloatVector.fromArray(F, m, slopes + row);
    FloatVector distance = FloatVector.fromArray(F, m, positions + row).sub(s);
    FloatVector seen = FloatVector.fromArray(F, m, visible + row).sub(s);
    FloatVector before = FloatVector.fromArray(F, m, maxima + row);
    FloatVector max = before;
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes + lane;
      FloatVector score =
          FloatVector.fromArray(F, m, at).mul(scale).sub(slope.mul(distance.sub(t)));
      score.intoArray(m, at);
      VectorMask<Float> larger =
          score.compare(VectorOperators.GT, max).and(seen.compare(VectorOperators.GT, (float) t));
      max = max.blend(score, larger);
    }
    FloatVector base = max.blend(0f, max.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
    FloatVector correction = Lanes.exp(before.sub(base));
    FloatVector sum = FloatVector.zero(F); // small terms would drown in the sum of a long text
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes + lane;
      FloatVector p =
          Lanes.exp(FloatVector.fromArray(F, m, at).sub(base))
              .blend(0f, seen.compare(VectorOperators.LE, (float) t));
      sum = sum.add(p);
      p.intoArray(m, at);
    }
    max.intoArray(m, maxima + row);
    FloatVector sums = FloatVector.fromArray(F, m, denominators + row).mul(correction).add(sum);
    sums.intoArray(m, denominators + row);
    correction.intoArray(m, corrections + row);
  }

  /** Writes row r to element {@code outAt} of to and {@code lseAt} of lse. */
  void finishRow(int r, MemorySegment to, long outAt, MemorySegment lse, long lseAt) {
    int slot = slot(r);
    float sum = m[denominators + slot];
    float factor = sum == 0 ? 0 : 1 / sum;
    int row = out + slot * outStride;
    for (int d = row; d < row + outStride; d += L) {
      FloatVector.fromArray(F, m, d).mul(factor).intoArray(m, d);
    }
    if (stored) {
      Lanes.join(m, row, valueWidth);
    }
    Stored.writeFloats(m, row, to, outAt, valueWidth);
    Stored.writeFloat(lse, lseAt, m[maxima + slot] + (float) Math.log(sum));
  }
}
