package io.mla4j.cpu;

import io.mla4j.ops.Bf16;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.MergeParams;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Both forms of attention, and the merge of partial results. */
final class ScalarAttention {
  /** Tokens whose rows are widened at once. */
  private static final int BLOCK = 64;

  private ScalarAttention() {}

  static void attendAbsorbed(
      AttentionParams p,
      CacheParams c,
      MemorySegment q,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      int kvBegin,
      int kvEnd,
      MemorySegment out,
      MemorySegment lse) {
    int latent = c.layout().latent();
    int stride = latent + c.layout().rope();
    int key = p.keyOffset() == 0 ? 0 : latent; // of a widened row, which has no padding
    int width = stride - key;
    int heads = headEnd - headBegin;
    int rows = (queryEnd - queryBegin) * heads;
    boolean rounded = ScalarKernels.roundsQueries(p, c);
    Scratch scratch = Scratch.ofThread();
    float[] kv = scratch.floats(0, BLOCK * stride);
    float[] queries = scratch.floats(1, rows * width);
    OnlineSoftmax softmax = new OnlineSoftmax(scratch, rows, latent);
    for (int r = 0; r < rows; r++) {
      long at =
          (queryBegin + r / heads) * p.qTokenStride() + (headBegin + r % heads) * p.qHeadStride();
      Stored.readFloats(q, at, queries, r * width, width);
    }
    ScalarLoops.roundIf(rounded, queries, 0, rows * width);
    for (int begin = kvBegin; begin < kvEnd; begin += BLOCK) {
      int end = Math.min(begin + BLOCK, kvEnd);
      Stored.widenRows(c, cache, pageTable, begin, end, kv);
      for (int r = 0; r < rows; r++) {
        int position = ScalarKernels.position(p, queryBegin + r / heads);
        int visible = Math.min(end, p.causal() ? position + 1 : end) - begin;
        float slope =
            ScalarKernels.isNull(alibiSlopes)
                ? 0
                : Stored.readFloat(alibiSlopes, headBegin + r % heads);
        for (int s = 0; s < visible; s++) {
          float dot = ScalarLoops.dot(queries, r * width, kv, s * stride + key, width);
          softmax.scores[s] = dot * p.scale() - slope * (position - begin - s);
        }
        softmax.add(r, visible, kv, stride, rounded);
      }
    }
    for (int r = 0; r < rows; r++) {
      int t = queryBegin + r / heads;
      int h = headBegin + r % heads;
      softmax.finish(
          r,
          out,
          t * p.outTokenStride() + h * p.outHeadStride(),
          lse,
          t * p.lseTokenStride() + h * p.lseHeadStride());
    }
  }

  static void attendDecompressed(
      AttentionParams p,
      CacheParams c,
      MemorySegment q,
      MemorySegment kvB,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      MemorySegment out,
      MemorySegment lse) {
    int latent = c.layout().latent();
    int rope = c.layout().rope();
    int queryWidth = p.nope() + rope;
    int queries = queryEnd - queryBegin;
    boolean rounded = ScalarKernels.roundsQueries(p, c);
    Scratch scratch = Scratch.ofThread();
    float[] rows = scratch.floats(0, BLOCK * (latent + rope));
    float[] heads = scratch.floats(1, queries * queryWidth);
    OnlineSoftmax softmax = new OnlineSoftmax(scratch, queries, p.value());
    float[] w = scratch.floats(5, (p.nope() + p.value()) * latent);
    float[] keys = scratch.floats(6, BLOCK * queryWidth);
    float[] values = scratch.floats(7, BLOCK * p.value());
    int last = p.causal() ? ScalarKernels.position(p, queryEnd - 1) + 1 : p.kvTokens();
    for (int h = headBegin; h < headEnd; h++) {
      for (int r = 0; r < p.nope() + p.value(); r++) {
        long element = h * p.weightHeadStride() + r * p.weightStride();
        p.weightType().widen(kvB, p.weightType().bytes(element), w, r * latent, latent);
      }
      for (int t = 0; t < queries; t++) {
        long at = (queryBegin + t) * p.qTokenStride() + h * p.qHeadStride();
        Stored.readFloats(q, at, heads, t * queryWidth, queryWidth);
      }
      ScalarLoops.roundIf(rounded, heads, 0, queries * queryWidth);
      float slope = ScalarKernels.isNull(alibiSlopes) ? 0 : Stored.readFloat(alibiSlopes, h);
      softmax.reset();
      for (int begin = 0; begin < last; begin += BLOCK) {
        int end = Math.min(begin + BLOCK, last);
        Stored.widenRows(c, cache, pageTable, begin, end, rows);
        for (int s = 0; s < end - begin; s++) {
          int row = s * (latent + rope);
          for (int i = 0; i < p.nope(); i++) {
            keys[s * queryWidth + i] = ScalarLoops.dot(rows, row, w, i * latent, latent);
          }
          System.arraycopy(rows, row + latent, keys, s * queryWidth + p.nope(), rope);
          for (int i = 0; i < p.value(); i++) {
            values[s * p.value() + i] =
                ScalarLoops.dot(rows, row, w, (p.nope() + i) * latent, latent);
          }
        }
        ScalarLoops.roundIf(rounded, keys, 0, (end - begin) * queryWidth);
        ScalarLoops.roundIf(rounded, values, 0, (end - begin) * p.value());
        for (int t = 0; t < queries; t++) {
          int position = ScalarKernels.position(p, queryBegin + t);
          int visible = Math.min(end, p.causal() ? position + 1 : end) - begin;
          for (int s = 0; s < visible; s++) {
            float score =
                ScalarLoops.dot(heads, t * queryWidth, keys, s * queryWidth, queryWidth)
                    * p.scale();
            softmax.scores[s] = score - slope * (position - begin - s);
          }
          softmax.add(t, visible, values, p.value(), rounded);
        }
      }
      for (int t = 0; t < queries; t++) {
        softmax.finish(
            t,
            out,
            (queryBegin + t) * p.outTokenStride() + h * p.outHeadStride(),
            lse,
            (queryBegin + t) * p.lseTokenStride() + h * p.lseHeadStride());
      }
    }
  }

  static void merge(
      MergeParams p,
      MemorySegment partialOut,
      MemorySegment partialLse,
      int tokenBegin,
      int tokenEnd,
      int headBegin,
      int headEnd,
      MemorySegment out,
      MemorySegment lse) {
    Scratch scratch = Scratch.ofThread();
    float[] part = scratch.floats(0, p.width());
    float[] sum = scratch.floats(1, p.width());
    for (int t = tokenBegin; t < tokenEnd; t++) {
      for (int h = headBegin; h < headEnd; h++) {
        long lseAt = t * p.partLseTokenStride() + h * p.partLseHeadStride();
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < p.parts(); i++) {
          max = Math.max(max, Stored.readFloat(partialLse, lseAt + i * p.partLseStride()));
        }
        Arrays.fill(sum, 0, p.width(), 0);
        float total = 0;
        if (max != Float.NEGATIVE_INFINITY) {
          for (int i = 0; i < p.parts(); i++) {
            total +=
                ScalarLoops.exp(Stored.readFloat(partialLse, lseAt + i * p.partLseStride()) - max);
          }
          for (int i = 0; i < p.parts(); i++) {
            float factor =
                ScalarLoops.exp(Stored.readFloat(partialLse, lseAt + i * p.partLseStride()) - max)
                    / total;
            if (factor != 0) {
              long at = i * p.partStride() + t * p.partTokenStride() + h * p.partHeadStride();
              Stored.readFloats(partialOut, at, part, 0, p.width());
              ScalarLoops.axpy(factor, part, 0, sum, 0, p.width());
            }
          }
        }
        Stored.writeFloats(sum, 0, out, t * p.outTokenStride() + h * p.outHeadStride(), p.width());
        if (!ScalarKernels.isNull(lse)) {
          Stored.writeFloat(
              lse, t * p.lseTokenStride() + h * p.lseHeadStride(), max + (float) Math.log(total));
        }
      }
    }
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
      float factor = ScalarLoops.exp(max[row] - newMax);
      max[row] = newMax;
      for (int i = 0; i <= width; i++) {
        sums[at + i] *= factor;
      }
      float sum = 0; // of this block alone: small terms would drown in the sum of a long text
      for (int s = 0; s < n; s++) {
        float p = ScalarLoops.exp(scores[s] - newMax);
        sum += p;
        ScalarLoops.axpy(rounded ? Bf16.round(p) : p, values, s * stride, sums, at, width);
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
      Stored.writeFloats(sums, at, out, outAt, width);
      Stored.writeFloat(lse, lseAt, max[row] + (float) Math.log(sum));
    }
  }
}
