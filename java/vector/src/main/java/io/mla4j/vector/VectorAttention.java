package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.TensorType;
import io.mla4j.cpu.Stored;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.vector.VectorScratch.Use;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Both forms of attention. Tokens come in blocks whose rows are widened once for all query rows;
 * scores have query rows in the lanes, weighted sums of values have the value's numbers in the
 * lanes (online softmax, Milakov and Gimelshein 2018).
 */
final class VectorAttention {
  /** Tokens of a block: 64 rows of 576 floats are 144 KiB of the second-level cache. */
  static final int TOKENS = 64;

  private final AttentionParams params;
  private final CacheParams cacheParams;
  private final MemorySegment cache;
  private final MemorySegment pageTable;

  /** Whether q, p and rebuilt keys and values are rounded to bfloat16. */
  private final boolean rounds;

  private final VectorScratch scratch = VectorScratch.ofThread();

  /** Query rows, and what they are rounded up to. */
  private final int rows;

  private final int paddedRows;

  /** Numbers of a query or key. */
  private final int width;

  /** Numbers of a value; rows of {@link #out} are rounded up to whole vectors. */
  private final int valueWidth;

  private final int outStride;

  /** In groups of one or two vectors of rows: (width, lanes of the group) for each. */
  private final float[] queries;

  /** (rows, outStride): sums of weighted values. */
  private final float[] out;

  /** Six numbers for each row, in planes of paddedRows: see the constants below. */
  private final float[] state;

  private final float[] scores;

  private final int maxima;
  private final int denominators;
  private final int corrections;
  private final int slopes;
  private final int positions;
  private final int visible;

  VectorAttention(
      AttentionParams params,
      CacheParams cacheParams,
      MemorySegment cache,
      MemorySegment pageTable,
      boolean rounds,
      int rows,
      int width,
      int valueWidth) {
    this.params = params;
    this.cacheParams = cacheParams;
    this.cache = cache;
    this.pageTable = pageTable;
    this.rounds = rounds;
    this.rows = rows;
    this.paddedRows = Lanes.roundUp(rows);
    this.width = width;
    this.valueWidth = valueWidth;
    this.outStride = Lanes.roundUp(valueWidth);
    this.queries = scratch.floats(Use.QUERIES, paddedRows * width);
    this.out = scratch.floats(Use.OUT, rows * outStride);
    this.state = scratch.floats(Use.ROW_STATE, 6 * paddedRows);
    this.scores = scratch.floats(Use.SCORES, TOKENS * 2 * L);
    this.maxima = 0;
    this.denominators = paddedRows;
    this.corrections = 2 * paddedRows;
    this.slopes = 3 * paddedRows;
    this.positions = 4 * paddedRows;
    this.visible = 5 * paddedRows;
  }

  /** Forgets all keys. Row r has these slope and query; rows that only fill a vector see no key. */
  void start() {
    Arrays.fill(out, 0, rows * outStride, 0);
    Arrays.fill(queries, 0, paddedRows * width, 0);
    Arrays.fill(state, 0, 6 * paddedRows, 0);
    Arrays.fill(state, maxima, maxima + paddedRows, Float.NEGATIVE_INFINITY);
  }

  /** Row r is query {@code t} as it lies at element {@code at} of q. */
  void setRow(int r, int t, float slope, MemorySegment q, long at) {
    int position = params.kvTokens() - params.queryTokens() + t;
    state[slopes + r] = slope;
    state[positions + r] = position;
    state[visible + r] = Math.max(0, params.causal() ? position + 1 : params.kvTokens());
    float[] row = scratch.floats(Use.X, width);
    Stored.readFloats(q, at, row, 0, width);
    if (rounds) {
      Lanes.roundBf16(row, 0, width);
    }
    int group = r / (2 * L) * 2 * L;
    int lanes = lanes(group);
    int to = group * width + r - group;
    for (int d = 0; d < width; d++) {
      queries[to + d * lanes] = row[d];
    }
  }

  private int lanes(int group) {
    return Math.min(2 * L, paddedRows - group);
  }

  /** The first token that no row sees. */
  int end() {
    float end = 0;
    for (int r = 0; r < rows; r++) {
      end = Math.max(end, state[visible + r]);
    }
    return (int) end;
  }

  /**
   * Absorbed form: tokens [begin, end) of the cache are keys and, but for their last rope numbers,
   * values.
   */
  void addCached(int begin, int end) {
    float[] keys = scratch.floats(Use.KEYS, TOKENS * width + L);
    for (int s = begin; s < end; s += TOKENS) {
      int tokens = Math.min(TOKENS, end - s);
      widenRows(s, tokens, keys, width, cacheParams.layout().latent());
      addBlock(s, tokens, keys, keys, width);
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
    int ropeAt = Lanes.roundUp(latent);
    int stride = ropeAt + rope;
    TensorType type = params.weightType();
    long strideBytes = params.weightStride() * type.bytes();
    long keysAt = head * params.weightHeadStride() * type.bytes();
    float[] cached = scratch.floats(Use.CACHED, TOKENS * stride);
    float[] keys = scratch.floats(Use.KEYS, TOKENS * width);
    float[] values = scratch.floats(Use.VALUES, TOKENS * outStride);
    for (int s = 0; s < end; s += TOKENS) {
      int tokens = Math.min(TOKENS, end - s);
      widenRows(s, tokens, cached, stride, ropeAt);
      for (int t = 0; t < tokens; t++) {
        Arrays.fill(cached, t * stride + latent, t * stride + ropeAt, 0);
      }
      DotProducts.times(
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
          0,
          width);
      DotProducts.times(
          scratch,
          cached,
          stride,
          tokens,
          latent,
          type,
          kvB,
          keysAt + nope * strideBytes,
          strideBytes,
          valueWidth,
          values,
          0,
          outStride);
      for (int t = 0; t < tokens; t++) {
        System.arraycopy(cached, t * stride + ropeAt, keys, t * width + nope, rope);
      }
      if (rounds) {
        Lanes.roundBf16(keys, 0, tokens * width);
        Lanes.roundBf16(values, 0, tokens * outStride);
      }
      addBlock(s, tokens, keys, values, outStride);
    }
  }

  /**
   * to[t * stride ..] = the latent of token s + t, to[t * stride + ropeAt ..] = its rotated key.
   */
  private void widenRows(int s, int tokens, float[] to, int stride, int ropeAt) {
    TensorType type = cacheParams.layout().type().tensorType();
    int latent = cacheParams.layout().latent();
    int rope = cacheParams.layout().rope();
    long keyBytes = (long) cacheParams.layout().ropeOffset() * type.bytes();
    for (int t = 0; t < tokens; t++) {
      long row = Stored.rowOffset(cacheParams, pageTable, s + t);
      Lanes.widen(type, cache, row, to, t * stride, latent);
      Lanes.widen(type, cache, row + keyBytes, to, t * stride + ropeAt, rope);
    }
  }

  /** Adds tokens [s, s + tokens) to the softmax of every row that sees them. */
  private void addBlock(int s, int tokens, float[] keys, float[] values, int valueStride) {
    for (int group = 0; group < rows; group += 2 * L) {
      int lanes = lanes(group);
      int groupRows = Math.min(lanes, rows - group);
      int seen = 0;
      boolean full = true;
      for (int r = group; r < group + groupRows; r++) {
        int n = (int) state[visible + r] - s;
        seen = Math.max(seen, n);
        full &= n >= tokens;
      }
      seen = Math.min(seen, tokens);
      if (seen <= 0) {
        continue;
      }
      Scores.times(queries, group * width, lanes / L, keys, width, seen, width, scores);
      for (int lane = 0; lane < lanes; lane += L) {
        if (full) {
          softmax(group + lane, lane, lanes, s, seen);
        } else {
          maskedSoftmax(group + lane, lane, lanes, s, seen);
        }
      }
      WeightedSums.add(
          scores,
          0,
          1,
          lanes,
          groupRows,
          values,
          0,
          valueStride,
          seen,
          valueWidth,
          state,
          corrections + group,
          out,
          group * outStride,
          outStride);
    }
  }

  /**
   * Scores of one vector of rows, all of which see all tokens, into weights; their maxima,
   * denominators and corrections.
   */
  private void softmax(int row, int lane, int lanes, int s, int tokens) {
    FloatVector scale = FloatVector.broadcast(F, params.scale());
    FloatVector slope = FloatVector.fromArray(F, state, slopes + row);
    FloatVector distance = FloatVector.fromArray(F, state, positions + row).sub(s);
    FloatVector before = FloatVector.fromArray(F, state, maxima + row);
    FloatVector max = before;
    for (int t = 0; t < tokens; t++) {
      int at = t * lanes + lane;
      FloatVector score =
          FloatVector.fromArray(F, scores, at).mul(scale).sub(slope.mul(distance.sub(t)));
      score.intoArray(scores, at);
      max = max.blend(score, score.compare(VectorOperators.GT, max));
    }
    FloatVector correction = Lanes.exp(before.sub(max));
    FloatVector sum = FloatVector.fromArray(F, state, denominators + row).mul(correction);
    for (int t = 0; t < tokens; t++) {
      int at = t * lanes + lane;
      FloatVector p = Lanes.exp(FloatVector.fromArray(F, scores, at).sub(max));
      sum = sum.add(p);
      (rounds ? Lanes.roundBf16(p) : p).intoArray(scores, at);
    }
    max.intoArray(state, maxima + row);
    sum.intoArray(state, denominators + row);
    correction.intoArray(state, corrections + row);
  }

  /**
   * The same where row r sees only its first visible[r] tokens, which may be none: weight 0 for the
   * others.
   */
  private void maskedSoftmax(int row, int lane, int lanes, int s, int tokens) {
    FloatVector scale = FloatVector.broadcast(F, params.scale());
    FloatVector slope = FloatVector.fromArray(F, state, slopes + row);
    FloatVector distance = FloatVector.fromArray(F, state, positions + row).sub(s);
    FloatVector seen = FloatVector.fromArray(F, state, visible + row).sub(s);
    FloatVector before = FloatVector.fromArray(F, state, maxima + row);
    FloatVector max = before;
    for (int t = 0; t < tokens; t++) {
      int at = t * lanes + lane;
      FloatVector score =
          FloatVector.fromArray(F, scores, at).mul(scale).sub(slope.mul(distance.sub(t)));
      score.intoArray(scores, at);
      VectorMask<Float> larger =
          score.compare(VectorOperators.GT, max).and(seen.compare(VectorOperators.GT, (float) t));
      max = max.blend(score, larger);
    }
    FloatVector base = max.blend(0f, max.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
    FloatVector correction = Lanes.exp(before.sub(base));
    FloatVector sum = FloatVector.fromArray(F, state, denominators + row).mul(correction);
    for (int t = 0; t < tokens; t++) {
      int at = t * lanes + lane;
      FloatVector p =
          Lanes.exp(FloatVector.fromArray(F, scores, at).sub(base))
              .blend(0f, seen.compare(VectorOperators.LE, (float) t));
      sum = sum.add(p);
      (rounds ? Lanes.roundBf16(p) : p).intoArray(scores, at);
    }
    max.intoArray(state, maxima + row);
    sum.intoArray(state, denominators + row);
    correction.intoArray(state, corrections + row);
  }

  /** Writes row r to element {@code outAt} of out and {@code lseAt} of lse. */
  void finishRow(int r, MemorySegment to, long outAt, MemorySegment lse, long lseAt) {
    float sum = state[denominators + r];
    float factor = sum == 0 ? 0 : 1 / sum;
    int at = r * outStride;
    for (int d = at; d < at + outStride; d += L) {
      FloatVector.fromArray(F, out, d).mul(factor).intoArray(out, d);
    }
    Stored.writeFloats(out, at, to, outAt, valueWidth);
    Stored.writeFloat(lse, lseAt, state[maxima + r] + (float) Math.log(sum));
  }
}
