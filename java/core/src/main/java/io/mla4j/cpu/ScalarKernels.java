package io.mla4j.cpu;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.RopeLayout;
import io.mla4j.TensorType;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.RouteParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The kernels as plain loops: the specification that the others are read against.
 *
 * <p>Sums run in float32 in a fixed order. Thread-safe: scratch belongs to the calling thread.
 */
public class ScalarKernels implements TileKernels {
  /** Tokens whose rows are widened at once. */
  protected static final int BLOCK = 64;

  /** Kernels without state. */
  public ScalarKernels() {}

  @Override
  public String isa() {
    return "scalar";
  }

  @Override
  public boolean prefersBf16() {
    return false;
  }

  @Override
  public long packedBytes(LinearParams p) {
    return (long) p.rows() * p.k() * Float.BYTES;
  }

  @Override
  public void pack(
      LinearParams p,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed) {
    float[] row = Scratch.ofThread().floats(0, p.k());
    for (int i = rowBegin; i < rowEnd; i++) {
      long source = isNull(indices) ? i : Stored.readInt(indices, i);
      Stored.readFloats(x, source * p.xStride(), row, 0, p.k());
      roundIf(p.compute() == ComputeType.BF16, row, 0, p.k());
      Stored.writeFloats(row, 0, packed, (long) i * p.k(), p.k());
    }
  }

  @Override
  public void linear(
      LinearParams p,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment scales,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y) {
    requireNoScales(scales);
    Scratch scratch = Scratch.ofThread();
    float[] w = scratch.floats(0, p.k());
    float[] x = scratch.floats(1, Math.min(p.rows(), BLOCK) * p.k());
    for (int rowBegin = 0; rowBegin < p.rows(); rowBegin += BLOCK) {
      int rows = Math.min(BLOCK, p.rows() - rowBegin);
      Stored.readFloats(packed, (long) rowBegin * p.k(), x, 0, rows * p.k());
      for (int n = nBegin; n < nEnd; n++) {
        long offset = n * p.weightStride() * p.weightType().bytes();
        Stored.widen(p.weightType(), weight, offset, w, 0, p.k());
        float b = isNull(bias) ? 0 : Stored.readFloat(bias, n);
        for (int i = 0; i < rows; i++) {
          long at = (rowBegin + i) * p.yStride() + n;
          Stored.writeFloat(y, at, dot(x, i * p.k(), w, 0, p.k()) + b);
        }
      }
    }
  }

  @Override
  public void headLinear(
      HeadLinearParams p,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment scales,
      int headBegin,
      int headEnd,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    requireNoScales(scales);
    Scratch scratch = Scratch.ofThread();
    int rows = p.transposed() ? p.in() : p.out();
    int columns = p.transposed() ? p.out() : p.in();
    float[] w = scratch.floats(0, rows * columns);
    float[] in = scratch.floats(1, p.in());
    float[] out = scratch.floats(2, p.out());
    for (int h = headBegin; h < headEnd; h++) {
      for (int r = 0; r < rows; r++) {
        long element = h * p.weightHeadStride() + r * p.weightStride();
        Stored.widen(
            p.weightType(), weight, element * p.weightType().bytes(), w, r * columns, columns);
      }
      for (int t = tokenBegin; t < tokenEnd; t++) {
        Stored.readFloats(x, t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.in());
        roundIf(p.compute() == ComputeType.BF16, in, 0, p.in());
        if (p.transposed()) {
          Arrays.fill(out, 0, p.out(), 0);
          for (int r = 0; r < rows; r++) {
            axpy(in[r], w, r * columns, out, 0, columns);
          }
        } else {
          for (int r = 0; r < rows; r++) {
            out[r] = dot(in, 0, w, r * columns, columns);
          }
        }
        Stored.writeFloats(out, 0, y, t * p.yTokenStride() + h * p.yHeadStride(), p.out());
      }
    }
  }

  @Override
  public long attentionWorkspace(
      AttentionParams params, CacheParams cacheParams, boolean decompressed) {
    return 0;
  }

  @Override
  public void attendAbsorbed(
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
      MemorySegment lse,
      MemorySegment workspace) {
    int latent = c.layout().latent();
    int width = latent + c.layout().rope();
    int heads = headEnd - headBegin;
    int rows = (queryEnd - queryBegin) * heads;
    boolean rounded = roundsQueries(p, c);
    Scratch scratch = Scratch.ofThread();
    float[] kv = scratch.floats(0, BLOCK * width);
    float[] queries = scratch.floats(1, rows * width);
    OnlineSoftmax softmax = new OnlineSoftmax(scratch, rows, latent);
    for (int r = 0; r < rows; r++) {
      long at = (queryBegin + r / heads) * p.qTokenStride() + (headBegin + r % heads) * p.qHeadStride();
      Stored.readFloats(q, at, queries, r * width, width);
    }
    roundIf(rounded, queries, 0, rows * width);
    for (int begin = kvBegin; begin < kvEnd; begin += BLOCK) {
      int end = Math.min(begin + BLOCK, kvEnd);
      Stored.widenRows(c, cache, pageTable, begin, end, kv);
      for (int r = 0; r < rows; r++) {
        int position = position(p, queryBegin + r / heads);
        int visible = Math.min(end, p.causal() ? position + 1 : end) - begin;
        float slope = isNull(alibiSlopes) ? 0 : Stored.readFloat(alibiSlopes, headBegin + r % heads);
        for (int s = 0; s < visible; s++) {
          float score = dot(queries, r * width, kv, s * width, width) * p.scale();
          softmax.scores[s] = score - slope * (position - begin - s);
        }
        softmax.add(r, visible, kv, width, rounded);
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

  @Override
  public void attendDecompressed(
      AttentionParams p,
      CacheParams c,
      MemorySegment q,
      MemorySegment kvB,
      MemorySegment kvBScales,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    requireNoScales(kvBScales);
    int latent = c.layout().latent();
    int rope = c.layout().rope();
    int queryWidth = p.nope() + rope;
    int queries = queryEnd - queryBegin;
    boolean rounded = roundsQueries(p, c);
    Scratch scratch = Scratch.ofThread();
    float[] rows = scratch.floats(0, BLOCK * (latent + rope));
    float[] heads = scratch.floats(1, queries * queryWidth);
    OnlineSoftmax softmax = new OnlineSoftmax(scratch, queries, p.value());
    float[] w = scratch.floats(5, (p.nope() + p.value()) * latent);
    float[] keys = scratch.floats(6, BLOCK * queryWidth);
    float[] values = scratch.floats(7, BLOCK * p.value());
    int last = p.causal() ? position(p, queryEnd - 1) + 1 : p.kvTokens();
    for (int h = headBegin; h < headEnd; h++) {
      for (int r = 0; r < p.nope() + p.value(); r++) {
        long element = h * p.weightHeadStride() + r * p.weightStride();
        Stored.widen(
            p.weightType(), kvB, element * p.weightType().bytes(), w, r * latent, latent);
      }
      for (int t = 0; t < queries; t++) {
        long at = (queryBegin + t) * p.qTokenStride() + h * p.qHeadStride();
        Stored.readFloats(q, at, heads, t * queryWidth, queryWidth);
      }
      roundIf(rounded, heads, 0, queries * queryWidth);
      float slope = isNull(alibiSlopes) ? 0 : Stored.readFloat(alibiSlopes, h);
      softmax.reset();
      for (int begin = 0; begin < last; begin += BLOCK) {
        int end = Math.min(begin + BLOCK, last);
        Stored.widenRows(c, cache, pageTable, begin, end, rows);
        for (int s = 0; s < end - begin; s++) {
          int row = s * (latent + rope);
          for (int i = 0; i < p.nope(); i++) {
            keys[s * queryWidth + i] = dot(rows, row, w, i * latent, latent);
          }
          System.arraycopy(rows, row + latent, keys, s * queryWidth + p.nope(), rope);
          for (int i = 0; i < p.value(); i++) {
            values[s * p.value() + i] = dot(rows, row, w, (p.nope() + i) * latent, latent);
          }
        }
        roundIf(rounded, keys, 0, (end - begin) * queryWidth);
        roundIf(rounded, values, 0, (end - begin) * p.value());
        for (int t = 0; t < queries; t++) {
          int position = position(p, queryBegin + t);
          int visible = Math.min(end, p.causal() ? position + 1 : end) - begin;
          for (int s = 0; s < visible; s++) {
            float score = dot(heads, t * queryWidth, keys, s * queryWidth, queryWidth) * p.scale();
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

  @Override
  public void merge(
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
            total += exp(Stored.readFloat(partialLse, lseAt + i * p.partLseStride()) - max);
          }
          for (int i = 0; i < p.parts(); i++) {
            float factor = exp(Stored.readFloat(partialLse, lseAt + i * p.partLseStride()) - max) / total;
            if (factor != 0) {
              long at = i * p.partStride() + t * p.partTokenStride() + h * p.partHeadStride();
              Stored.readFloats(partialOut, at, part, 0, p.width());
              axpy(factor, part, 0, sum, 0, p.width());
            }
          }
        }
        Stored.writeFloats(sum, 0, out, t * p.outTokenStride() + h * p.outHeadStride(), p.width());
        if (!isNull(lse)) {
          Stored.writeFloat(
              lse, t * p.lseTokenStride() + h * p.lseHeadStride(), max + (float) Math.log(total));
        }
      }
    }
  }

  @Override
  public void append(
      AppendParams p,
      CacheParams c,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment pageTable,
      int tokenBegin,
      int tokenEnd,
      MemorySegment cache) {
    int latent = c.layout().latent();
    int rope = c.layout().rope();
    int width = Math.toIntExact(c.layout().rowStrideBytes() / c.layout().type().tensorType().bytes());
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, latent + rope);
    float[] row = scratch.floats(1, width);
    float[] weight = scratch.floats(2, latent);
    float[] angles = scratch.floats(3, rope);
    if (!isNull(normWeight)) {
      Stored.readFloats(normWeight, 0, weight, 0, latent);
    }
    for (int t = tokenBegin; t < tokenEnd; t++) {
      Stored.readFloats(a, t * p.aStride(), in, 0, latent + rope);
      Arrays.fill(row, 0, width, 0);
      if (isNull(normWeight)) {
        System.arraycopy(in, 0, row, 0, latent);
      } else {
        normalize(in, weight, p.eps(), latent, row);
      }
      readAngles(cosines, sines, t, rope / 2, angles);
      rotate(in, latent, row, c.layout().ropeOffset(), rope, p.ropeLayout(), angles);
      long offset = Stored.rowOffset(c, pageTable, p.position() + t);
      Stored.narrow(row, 0, c.layout().type().tensorType(), cache, offset, width);
    }
  }

  @Override
  public void rope(
      RopeParams p,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, p.width());
    float[] out = scratch.floats(1, p.width());
    float[] angles = scratch.floats(2, p.rope());
    int plain = p.width() - p.rope();
    for (int t = tokenBegin; t < tokenEnd; t++) {
      readAngles(cosines, sines, t, p.rope() / 2, angles);
      for (int h = 0; h < p.heads(); h++) {
        Stored.readFloats(x, t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.width());
        System.arraycopy(in, 0, out, 0, plain);
        rotate(in, plain, out, plain, p.rope(), p.ropeLayout(), angles);
        Stored.writeFloats(out, 0, y, t * p.yTokenStride() + h * p.yHeadStride(), p.width());
      }
    }
  }

  @Override
  public void rmsNorm(
      MemorySegment x,
      long xStride,
      MemorySegment weight,
      float eps,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, width);
    float[] w = scratch.floats(1, width);
    Stored.readFloats(weight, 0, w, 0, width);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(x, i * xStride, in, 0, width);
      normalize(in, w, eps, width, in);
      Stored.writeFloats(in, 0, y, i * yStride, width);
    }
  }

  @Override
  public void swiglu(
      MemorySegment gate,
      long gateStride,
      MemorySegment up,
      long upStride,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] g = scratch.floats(0, width);
    float[] u = scratch.floats(1, width);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(gate, i * gateStride, g, 0, width);
      Stored.readFloats(up, i * upStride, u, 0, width);
      for (int j = 0; j < width; j++) {
        g[j] = g[j] / (1 + exp(-g[j])) * u[j];
      }
      Stored.writeFloats(g, 0, y, i * yStride, width);
    }
  }

  @Override
  public void add(
      MemorySegment x,
      long xStride,
      MemorySegment r,
      long rStride,
      float scale,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] a = scratch.floats(0, width);
    float[] b = scratch.floats(1, width);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(x, i * xStride, a, 0, width);
      Stored.readFloats(r, i * rStride, b, 0, width);
      axpy(scale, b, 0, a, 0, width);
      Stored.writeFloats(a, 0, y, i * yStride, width);
    }
  }

  @Override
  public void embed(
      TensorType tableType,
      MemorySegment table,
      long tableStride,
      int vocabulary,
      MemorySegment ids,
      int count,
      int width,
      float scale,
      MemorySegment y,
      long yStride) {
    float[] row = Scratch.ofThread().floats(0, width);
    for (int i = 0; i < count; i++) {
      int id = Stored.readInt(ids, i);
      if (id < 0 || id >= vocabulary) {
        throw new InvalidArgumentException(
            "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary - 1));
      }
      Stored.widen(tableType, table, id * tableStride * tableType.bytes(), row, 0, width);
      for (int j = 0; j < width; j++) {
        row[j] *= scale;
      }
      Stored.writeFloats(row, 0, y, i * yStride, width);
    }
  }

  @Override
  public void route(
      RouteParams p,
      MemorySegment logits,
      MemorySegment bias,
      int tokenBegin,
      int tokenEnd,
      MemorySegment expertsOut,
      MemorySegment weightsOut) {
    Router.route(p, logits, bias, tokenBegin, tokenEnd, expertsOut, weightsOut);
  }

  @Override
  public void combine(
      MemorySegment expertOut,
      long expertOutStride,
      int slotCount,
      MemorySegment slots,
      MemorySegment weights,
      MemorySegment shared,
      long sharedStride,
      int tokens,
      int topK,
      int width,
      MemorySegment y,
      long yStride) {
    Scratch scratch = Scratch.ofThread();
    float[] sum = scratch.floats(0, width);
    float[] one = scratch.floats(1, width);
    for (int t = 0; t < tokens; t++) {
      Arrays.fill(sum, 0, width, 0);
      for (int j = 0; j < topK; j++) {
        int slot = Stored.readInt(slots, (long) t * topK + j);
        if (slot < 0 || slot >= slotCount) {
          throw new InvalidArgumentException(
              "slots[" + t + ", " + j + "] is " + slot + ", but must be in 0.." + (slotCount - 1));
        }
        Stored.readFloats(expertOut, slot * expertOutStride, one, 0, width);
        axpy(Stored.readFloat(weights, (long) t * topK + j), one, 0, sum, 0, width);
      }
      if (!isNull(shared)) {
        Stored.readFloats(shared, t * sharedStride, one, 0, width);
        axpy(1, one, 0, sum, 0, width);
      }
      Stored.writeFloats(sum, 0, y, t * yStride, width);
    }
  }

  /** Whether the pointer is absent. */
  protected static boolean isNull(MemorySegment segment) {
    return segment.address() == 0 && segment.byteSize() == 0;
  }

  /** Queries and probabilities are rounded where both the compute type and the cache are bf16. */
  protected static boolean roundsQueries(AttentionParams p, CacheParams c) {
    return p.compute() == ComputeType.BF16 && c.layout().type() == CacheType.BF16;
  }

  /** The position of query t in its sequence. */
  protected static int position(AttentionParams p, int t) {
    return p.kvTokens() - p.queryTokens() + t;
  }

  /** Rounds {@code a[at .. at + n)} to bf16 where {@code rounds}. */
  protected static void roundIf(boolean rounds, float[] a, int at, int n) {
    if (rounds) {
      for (int i = at; i < at + n; i++) {
        a[i] = Bf16.round(a[i]);
      }
    }
  }

  /** Scales of quantised weights are not computed by the Java kernels. */
  protected static void requireNoScales(MemorySegment scales) {
    if (!isNull(scales)) {
      throw new InvalidArgumentException("scales are unsupported by this backend");
    }
  }

  static float exp(float x) {
    return (float) Math.exp(x);
  }

  /** Eight sums, element i in sum i mod 8, added as a tree: a fixed order that leaves the processor room. */
  static float dot(float[] a, int ai, float[] b, int bi, int n) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    float s4 = 0;
    float s5 = 0;
    float s6 = 0;
    float s7 = 0;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
      s0 += a[ai + i] * b[bi + i];
      s1 += a[ai + i + 1] * b[bi + i + 1];
      s2 += a[ai + i + 2] * b[bi + i + 2];
      s3 += a[ai + i + 3] * b[bi + i + 3];
      s4 += a[ai + i + 4] * b[bi + i + 4];
      s5 += a[ai + i + 5] * b[bi + i + 5];
      s6 += a[ai + i + 6] * b[bi + i + 6];
      s7 += a[ai + i + 7] * b[bi + i + 7];
    }
    float rest = 0;
    for (; i < n; i++) {
      rest += a[ai + i] * b[bi + i];
    }
    return (((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))) + rest;
  }

  /** {@code y += factor * x}. */
  static void axpy(float factor, float[] x, int xi, float[] y, int yi, int n) {
    for (int i = 0; i < n; i++) {
      y[yi + i] += factor * x[xi + i];
    }
  }

  private static void normalize(float[] in, float[] weight, float eps, int n, float[] out) {
    float factor = (float) (1 / Math.sqrt(dot(in, 0, in, 0, n) / n + eps));
    for (int i = 0; i < n; i++) {
      out[i] = weight[i] * (in[i] * factor);
    }
  }

  private static void readAngles(
      MemorySegment cosines, MemorySegment sines, int t, int pairs, float[] angles) {
    Stored.readFloats(cosines, (long) t * pairs, angles, 0, pairs);
    Stored.readFloats(sines, (long) t * pairs, angles, pairs, pairs);
  }

  /** angles: rope/2 cosines, then rope/2 sines. */
  private static void rotate(
      float[] in, int from, float[] out, int to, int rope, RopeLayout layout, float[] angles) {
    int pairs = rope / 2;
    int step = layout == RopeLayout.PAIRS ? 2 : 1;
    int partner = layout == RopeLayout.PAIRS ? 1 : pairs;
    for (int i = 0; i < pairs; i++) {
      float a = in[from + i * step];
      float b = in[from + i * step + partner];
      out[to + i * step] = a * angles[i] - b * angles[pairs + i];
      out[to + i * step + partner] = b * angles[i] + a * angles[pairs + i];
    }
  }

  /** Softmax over keys that come in blocks: a running maximum, sum and weighted sum of values for each row. */
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
      float factor = exp(max[row] - newMax);
      max[row] = newMax;
      for (int i = 0; i <= width; i++) {
        sums[at + i] *= factor;
      }
      for (int s = 0; s < n; s++) {
        float p = exp(scores[s] - newMax);
        sums[at + width] += p;
        axpy(rounded ? Bf16.round(p) : p, values, s * stride, sums, at, width);
      }
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
