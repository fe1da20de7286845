package io.mla4j.cpu;

import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Bf16;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Scratch;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Both forms of attention, and the rows of the cache that they read. */
final class ScalarAttention {
  /** Tokens whose rows are widened at once. */
  private static final int BLOCK = 64;

  private ScalarAttention() {}

  static void append(AppendTile a, Tile tile) {
    AppendLatent o = a.operation();
    CacheParams c = a.cache();
    int latent = c.layout().latent();
    int rope = c.layout().rope();
    int width = c.layout().rowElements();
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, latent + rope);
    float[] row = scratch.floats(1, width);
    float[] weight = scratch.floats(2, latent);
    float[] angles = scratch.floats(3, rope);
    if (o.normWeight() != null) {
      Floats.read(o.normWeight().segment(), 0, weight, 0, latent);
    }
    for (int i = tile.rowBegin(); i < tile.rowEnd(); i++) {
      long t = a.firstToken() + i;
      Floats.read(o.latentAndKey().segment(), t * o.latentAndKey().stride(0), in, 0, latent + rope);
      Arrays.fill(row, 0, width, 0);
      if (o.normWeight() == null) {
        System.arraycopy(in, 0, row, 0, latent);
      } else {
        Floats.normalize(in, weight, o.eps(), latent, row);
      }
      o.rotation().read(t, angles);
      o.rotation().turn(angles, in, latent, row, c.layout().ropeOffset());
      Stored.narrowRow(c, a.pages(), a.pageTable(), a.position() + i, row);
    }
  }

  static void absorbed(AttentionTile a, Tile tile) {
    int latent = a.cache().layout().latent();
    int stride = latent + a.cache().layout().rope();
    int key = a.ownKeys() ? latent : 0; // of a widened row, which has no padding
    int width = a.queryWidth();
    int heads = tile.headEnd() - tile.headBegin();
    int rows = (tile.rowEnd() - tile.rowBegin()) * heads;
    boolean rounded = a.rounds();
    Scratch scratch = Scratch.ofThread();
    float[] kv = scratch.floats(0, BLOCK * stride);
    float[] queries = scratch.floats(1, rows * width);
    OnlineSoftmax softmax = new OnlineSoftmax(scratch, rows, latent);
    for (int r = 0; r < rows; r++) {
      readQuery(a, tile.rowBegin() + r / heads, tile.headBegin() + r % heads, queries, r);
    }
    Floats.roundIf(rounded, queries, 0, rows * width);
    for (int begin = tile.keyBegin(); begin < tile.keyEnd(); begin += BLOCK) {
      int end = Math.min(begin + BLOCK, tile.keyEnd());
      Stored.widenRows(a.cache(), a.pages(), a.pageTable(), begin, end, rounded, kv);
      for (int r = 0; r < rows; r++) {
        int position = position(a, tile.rowBegin() + r / heads);
        int visible = Math.min(end, a.causal() ? position + 1 : end) - begin;
        float slope = slope(a, tile.headBegin() + r % heads);
        for (int s = 0; s < visible; s++) {
          float dot = Floats.dot(queries, r * width, kv, s * stride + key, width);
          softmax.scores[s] = dot * a.scale() - slope * (position - begin - s);
        }
        softmax.add(r, visible, kv, stride, rounded);
      }
    }
    for (int r = 0; r < rows; r++) {
      finish(softmax, r, a, tile.part(), tile.rowBegin() + r / heads, tile.headBegin() + r % heads);
    }
  }

  static void decompressed(AttentionTile a, Tile tile) {
    int latent = a.cache().layout().latent();
    int rope = a.cache().layout().rope();
    int width = a.queryWidth();
    int queries = tile.rowEnd() - tile.rowBegin();
    boolean rounded = a.rounds();
    Scratch scratch = Scratch.ofThread();
    float[] rows = scratch.floats(0, BLOCK * (latent + rope));
    float[] q = scratch.floats(1, queries * width);
    OnlineSoftmax softmax = new OnlineSoftmax(scratch, queries, a.value());
    float[] w = scratch.floats(5, (a.nope() + a.value()) * latent);
    float[] keys = scratch.floats(6, BLOCK * width);
    float[] values = scratch.floats(7, BLOCK * a.value());
    int last = a.causal() ? position(a, tile.rowEnd() - 1) + 1 : a.kvTokens();
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      readKeys(a, h, latent, w, keys);
      for (int r = 0; r < a.value(); r++) {
        a.values().widen(h, r, w, (a.nope() + r) * latent, latent);
      }
      for (int t = 0; t < queries; t++) {
        readQuery(a, tile.rowBegin() + t, h, q, t);
      }
      Floats.roundIf(rounded, q, 0, queries * width);
      float slope = slope(a, h);
      softmax.reset();
      for (int begin = 0; begin < last; begin += BLOCK) {
        int end = Math.min(begin + BLOCK, last);
        Stored.widenRows(a.cache(), a.pages(), a.pageTable(), begin, end, rounded, rows);
        for (int s = 0; s < end - begin; s++) {
          int row = s * (latent + rope);
          for (int i = 0; i < a.nope(); i++) {
            keys[s * width + i] = Floats.dot(rows, row, w, i * latent, latent);
          }
          System.arraycopy(rows, row + latent, keys, s * width + a.nope(), rope);
          for (int i = 0; i < a.value(); i++) {
            values[s * a.value() + i] = Floats.dot(rows, row, w, (a.nope() + i) * latent, latent);
          }
        }
        Floats.roundIf(rounded, keys, 0, (end - begin) * width);
        Floats.roundIf(rounded, values, 0, (end - begin) * a.value());
        for (int t = 0; t < queries; t++) {
          int position = position(a, tile.rowBegin() + t);
          int visible = Math.min(end, a.causal() ? position + 1 : end) - begin;
          for (int s = 0; s < visible; s++) {
            float score = Floats.dot(q, t * width, keys, s * width, width) * a.scale();
            softmax.scores[s] = score - slope * (position - begin - s);
          }
          softmax.add(t, visible, values, a.value(), rounded);
        }
      }
      for (int t = 0; t < queries; t++) {
        finish(softmax, t, a, tile.part(), tile.rowBegin() + t, h);
      }
    }
  }

  /** W_UK of a head: (nope, latent). {@code row} has room for one of its rows. */
  private static void readKeys(AttentionTile a, int head, int latent, float[] to, float[] row) {
    if (!a.keys().transposed()) {
      for (int r = 0; r < a.nope(); r++) {
        a.keys().widen(head, r, to, r * latent, latent);
      }
      return;
    }
    for (int i = 0; i < latent; i++) {
      a.keys().widen(head, i, row, 0, a.nope());
      for (int r = 0; r < a.nope(); r++) {
        to[r * latent + i] = row[r];
      }
    }
  }

  private static int position(AttentionTile a, int query) {
    return a.kvTokens() - a.queryTokens() + query;
  }

  private static float slope(AttentionTile a, int head) {
    return ScalarKernels.isNull(a.slopes()) ? 0 : Floats.get(a.slopes(), head);
  }

  /** Query t of head h becomes row {@code row} of {@code to}. */
  private static void readQuery(AttentionTile a, int t, int h, float[] to, int row) {
    int width = a.queryWidth();
    Floats.read(a.q(), t * a.qTokenStride() + h * a.qHeadStride(), to, row * width, width);
  }

  private static void finish(
      OnlineSoftmax softmax, int row, AttentionTile a, int part, int t, int h) {
    softmax.finish(
        row,
        a.out(part),
        t * a.outTokenStride() + h * a.outHeadStride(),
        a.lse(part),
        t * a.lseTokenStride() + h * a.lseHeadStride());
  }

  /**
   * Softmax over keys that come in blocks: a running maximum, sum and weighted sum of values for
   * each row.
   */
  private static final class OnlineSoftmax {
    final float[] scores;
    private final float[] max;
    private final float[] sums;
    private final int rows;
    private final int width;

    /** Uses scratch slots 2 to 4; the sum of a row lies behind its values. */
    OnlineSoftmax(Scratch scratch, int rows, int width) {
      this.rows = rows;
      this.width = width;
      scores = scratch.floats(2, BLOCK);
      max = scratch.floats(3, rows);
      sums = scratch.floats(4, rows * (width + 1));
      reset();
    }

    void reset() {
      Arrays.fill(max, 0, rows, Float.NEGATIVE_INFINITY);
      Arrays.fill(sums, 0, rows * (width + 1), 0);
    }

    /** Adds n scored keys; the value of key s is {@code values[s * stride ..]}. */
    void add(int row, int n, float[] values, int stride, boolean rounded) {
      if (n <= 0) {
        return;
      }
      float newMax = max[row];
      for (int s = 0; s < n; s++) {
        newMax = Math.max(newMax, scores[s]);
      }
      int at = row * (width + 1);
      float factor = Floats.exp(max[row] - newMax);
      max[row] = newMax;
      for (int i = 0; i <= width; i++) {
        sums[at + i] *= factor;
      }
      float sum = 0; // of this block alone: small terms would drown in the sum of a long text
      for (int s = 0; s < n; s++) {
        float p = Floats.exp(scores[s] - newMax);
        sum += p;
        Floats.axpy(rounded ? Bf16.round(p) : p, values, s * stride, sums, at, width);
      }
      sums[at + width] += sum;
    }

    void finish(int row, MemorySegment out, long outAt, MemorySegment lse, long lseAt) {
      int at = row * (width + 1);
      float sum = sums[at + width];
      if (sum != 0) {
        for (int i = 0; i < width; i++) {
          sums[at + i] /= sum;
        }
      }
      Floats.write(sums, at, out, outAt, width);
      Floats.set(lse, lseAt, max[row] + (float) Math.log(sum));
    }
  }
}
