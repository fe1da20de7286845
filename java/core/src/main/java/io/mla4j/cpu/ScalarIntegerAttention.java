package io.mla4j.cpu;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.Bf16;
import io.mla4j.ops.Floats;
import io.mla4j.ops.IntegerAttention;
import io.mla4j.ops.Probabilities;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Absorbed attention by integer products, as {@link IntegerAttention} defines it. One for each
 * thread, whose arrays only grow; inner loops over ints are such as a compiler makes vectors of.
 */
final class ScalarIntegerAttention {
  private static final ThreadLocal<ScalarIntegerAttention> OF_THREAD =
      ThreadLocal.withInitial(ScalarIntegerAttention::new);

  private static final int BLOCK = IntegerAttention.BLOCK;

  private AttentionTile a;
  private LatentLayout layout;
  private Probabilities probabilities;
  private int latent;
  private int rope;
  private int groups;

  /** Columns of a group. */
  private int columns;

  // queries: (rows, latent) codes, (rows, groups) scales, (rows, rope)
  private int[] queryCodes = new int[0];
  private float[] queryScales = new float[0];
  private float[] queryKeys = new float[0];

  // a block: (tokens, latent) codes, (tokens, groups) scales, (tokens, rope), and bytes of a row
  private int[] codes = new int[0];
  private float[] scales = new float[0];
  private float[] keys = new float[0];
  private byte[] bytes = new byte[0];

  // of the row at hand: (tokens) scores, then probabilities; (columns) sums of a block
  private final float[] scores = new float[BLOCK];
  private int[] sums = new int[0];

  // running: (rows) largest score, sum of probabilities; (rows, latent) weighted sums
  private float[] largest = new float[0];
  private float[] divisors = new float[0];
  private float[] out = new float[0];

  private ScalarIntegerAttention() {}

  static void absorbed(AttentionTile a, Tile tile) {
    OF_THREAD.get().run(a, tile);
  }

  private void run(AttentionTile tile, Tile ranges) {
    a = tile;
    layout = a.cache().layout();
    probabilities = a.score().probabilities();
    latent = layout.latent();
    rope = layout.rope();
    groups = layout.scales();
    columns = layout.type().scaleColumns();
    int heads = ranges.headEnd() - ranges.headBegin();
    int rows = (ranges.rowEnd() - ranges.rowBegin()) * heads;
    reserve(rows);
    for (int r = 0; r < rows; r++) {
      readQuery(r, ranges.rowBegin() + r / heads, ranges.headBegin() + r % heads);
    }
    for (int begin = ranges.keyBegin(); begin < ranges.keyEnd(); ) {
      int end = Math.min(begin / BLOCK * BLOCK + BLOCK, ranges.keyEnd());
      readTokens(begin, end);
      for (int r = 0; r < rows; r++) {
        int position = a.kvTokens() - a.queryTokens() + ranges.rowBegin() + r / heads;
        int seen = Math.min(end, a.causal() ? position + 1 : end) - begin;
        if (seen > 0) {
          score(r, seen, position - begin, slope(ranges.headBegin() + r % heads));
          add(r, seen);
        }
      }
      begin = end;
    }
    for (int r = 0; r < rows; r++) {
      finish(r, ranges.part(), ranges.rowBegin() + r / heads, ranges.headBegin() + r % heads);
    }
  }

  private void reserve(int rows) {
    queryCodes = atLeast(queryCodes, rows * latent);
    queryScales = atLeast(queryScales, rows * groups);
    queryKeys = atLeast(queryKeys, Math.max(rows * rope, a.queryWidth()));
    codes = atLeast(codes, BLOCK * latent);
    scales = atLeast(scales, BLOCK * groups);
    keys = atLeast(keys, BLOCK * rope);
    sums = atLeast(sums, columns);
    largest = atLeast(largest, rows);
    divisors = atLeast(divisors, rows);
    out = atLeast(out, Math.max(rows * latent, a.queryWidth()));
    bytes = bytes.length < latent ? new byte[latent] : bytes;
    Arrays.fill(largest, 0, rows, Float.NEGATIVE_INFINITY);
    Arrays.fill(divisors, 0, rows, 0);
  }

  private static float[] atLeast(float[] array, int n) {
    return array.length < n ? new float[n] : array;
  }

  private static int[] atLeast(int[] array, int n) {
    return array.length < n ? new int[n] : array;
  }

  private float slope(int head) {
    return ScalarKernels.isNull(a.slopes()) ? 0 : Floats.get(a.slopes(), head);
  }

  /** Query t of head h becomes row r. */
  private void readQuery(int r, int t, int h) {
    float[] query = out; // which is not yet needed
    int width = a.queryWidth();
    Floats.read(a.q(), t * a.qTokenStride() + h * a.qHeadStride(), query, 0, width);
    for (int g = 0; g < groups && !a.ownKeys(); g++) {
      int from = g * columns;
      int n = Math.min(columns, latent - from);
      queryScales[r * groups + g] =
          IntegerAttention.roundQuery(query, from, n, queryCodes, r * latent + from);
    }
    for (int i = 0; i < rope; i++) {
      queryKeys[r * rope + i] = Bf16.round(query[width - rope + i]);
    }
  }

  private void readTokens(int begin, int end) {
    CacheType type = layout.type();
    for (int s = begin, t = 0; s < end; s++, t++) {
      long row = Stored.rowOffset(a.cache(), a.pageTable(), s);
      MemorySegment.copy(a.pages(), ValueLayout.JAVA_BYTE, row, bytes, 0, latent);
      for (int i = 0; i < latent; i++) {
        codes[t * latent + i] = bytes[i];
      }
      type.ropeFormat().widen(a.pages(), row + layout.ropeOffsetBytes(), keys, t * rope, rope);
      long at = Stored.scaleOffset(a.cache(), a.pageTable(), s);
      for (int g = 0; g < groups; g++) {
        scales[t * groups + g] = Stored.scale(type, a.pages(), at, g);
      }
    }
  }

  /** Scores of row r; it is {@code distance} behind the block's first token. */
  private void score(int r, int tokens, int distance, float slope) {
    for (int t = 0; t < tokens; t++) {
      float dot = Floats.dot(queryKeys, r * rope, keys, t * rope, rope);
      for (int g = 0; g < groups && !a.ownKeys(); g++) {
        int from = g * columns;
        int n = Math.min(columns, latent - from);
        int sum = dot(queryCodes, r * latent + from, codes, t * latent + from, n);
        dot = Math.fma(sum * queryScales[r * groups + g], scales[t * groups + g], dot);
      }
      scores[t] = dot * a.scale() - slope * (distance - t);
    }
  }

  private static int dot(int[] a, int ai, int[] b, int bi, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
      sum += a[ai + i] * b[bi + i];
    }
    return sum;
  }

  /** Adds the block's tokens, which are scored, to row r. */
  private void add(int r, int tokens) {
    float block = Float.NEGATIVE_INFINITY;
    for (int t = 0; t < tokens; t++) {
      block = Math.max(block, scores[t]);
    }
    boolean first = largest[r] == Float.NEGATIVE_INFINITY;
    float base = Math.max(largest[r], block);
    float kept = Floats.exp(largest[r] - base);
    float added = Floats.exp(block - base);
    float divisor = 0;
    for (int t = 0; t < tokens; t++) {
      scores[t] = Floats.exp(scores[t] - block);
      divisor += scores[t];
    }
    for (int g = 0; g < groups; g++) {
      float scale = 0;
      for (int t = 0; t < tokens; t++) {
        scale = Math.max(scale, IntegerAttention.finite(scales[t * groups + g]));
      }
      int n = Math.min(columns, latent - g * columns);
      sum(g, tokens, n, IntegerAttention.unit(scale, probabilities));
      float factor = added * (scale / probabilities.largest());
      int to = r * latent + g * columns;
      for (int i = 0; i < n; i++) {
        out[to + i] = Math.fma((float) sums[i], factor, first ? 0 : kept * out[to + i]);
      }
    }
    largest[r] = base;
    divisors[r] = Math.fma(divisors[r], kept, added * divisor);
  }

  /** The sums of a group of n columns. */
  private void sum(int g, int tokens, int n, float unit) {
    Arrays.fill(sums, 0, n, 0);
    for (int t = 0; t < tokens; t++) {
      float scale = IntegerAttention.finite(scales[t * groups + g]);
      int p = IntegerAttention.integer(scores[t], scale, unit, probabilities);
      int from = t * latent + g * columns;
      for (int i = 0; i < n && p != 0; i++) {
        sums[i] += p * codes[from + i];
      }
    }
  }

  private void finish(int r, int part, int t, int h) {
    int at = r * latent;
    float divisor = divisors[r];
    if (largest[r] == Float.NEGATIVE_INFINITY) {
      Arrays.fill(out, at, at + latent, 0);
    } else if (divisor != 0) {
      for (int i = 0; i < latent; i++) {
        out[at + i] /= divisor;
      }
    }
    Floats.write(out, at, a.out(part), t * a.outTokenStride() + h * a.outHeadStride(), latent);
    Floats.set(
        a.lse(part),
        t * a.lseTokenStride() + h * a.lseHeadStride(),
        largest[r] + (float) Math.log(divisor));
  }
}
