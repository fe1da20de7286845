package io.mla4j.cpu;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
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

/**
 * The kernels as plain loops: the specification that the others are read against.
 *
 * <p>Sums run in float32 in a fixed order. Thread-safe: scratch belongs to the calling thread.
 */
public class ScalarKernels implements TileKernels {
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
    return ScalarLinear.packedBytes(p);
  }

  @Override
  public void pack(
      LinearParams p,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed) {
    ScalarLinear.pack(p, x, indices, rowBegin, rowEnd, packed);
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
    ScalarLinear.linear(p, packed, weight, scales, bias, nBegin, nEnd, y);
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
    ScalarLinear.headLinear(p, x, weight, scales, headBegin, headEnd, tokenBegin, tokenEnd, y);
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
    ScalarAttention.attendAbsorbed(
        p,
        c,
        q,
        cache,
        pageTable,
        alibiSlopes,
        headBegin,
        headEnd,
        queryBegin,
        queryEnd,
        kvBegin,
        kvEnd,
        out,
        lse);
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
    ScalarAttention.attendDecompressed(
        p,
        c,
        q,
        kvB,
        cache,
        pageTable,
        alibiSlopes,
        headBegin,
        headEnd,
        queryBegin,
        queryEnd,
        out,
        lse);
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
    ScalarAttention.merge(
        p, partialOut, partialLse, tokenBegin, tokenEnd, headBegin, headEnd, out, lse);
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
    ScalarRows.append(p, c, a, normWeight, cosines, sines, pageTable, tokenBegin, tokenEnd, cache);
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
    ScalarRows.rope(p, x, cosines, sines, tokenBegin, tokenEnd, y);
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
    ScalarRows.rmsNorm(x, xStride, weight, eps, rows, width, y, yStride);
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
    ScalarRows.swiglu(gate, gateStride, up, upStride, rows, width, y, yStride);
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
    ScalarRows.add(x, xStride, r, rStride, scale, rows, width, y, yStride);
  }

  @Override
  public void embed(
      StorageFormat tableType,
      MemorySegment table,
      long tableStride,
      int vocabulary,
      MemorySegment ids,
      int count,
      int width,
      float scale,
      MemorySegment y,
      long yStride) {
    ScalarRows.embed(
        tableType, table, tableStride, vocabulary, ids, count, width, scale, y, yStride);
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
    ScalarRows.combine(
        expertOut,
        expertOutStride,
        slotCount,
        slots,
        weights,
        shared,
        sharedStride,
        tokens,
        topK,
        width,
        y,
        yStride);
  }

  /** Whether the pointer is absent. */
  protected static boolean isNull(MemorySegment segment) {
    return segment.address() == 0 && segment.byteSize() == 0;
  }

  /** Queries and probabilities are rounded where both the compute type and the cache are bf16. */
  protected static boolean roundsQueries(AttentionParams p, CacheParams c) {
    return c.layout().type().rounds(p.compute());
  }

  /** The position of query t in its sequence. */
  protected static int position(AttentionParams p, int t) {
    return p.kvTokens() - p.queryTokens() + t;
  }

  /** Scales of quantised weights are not computed by the Java kernels. */
  protected static void requireNoScales(MemorySegment scales) {
    if (!isNull(scales)) {
      throw new InvalidArgumentException("scales are unsupported by this backend");
    }
  }
}
