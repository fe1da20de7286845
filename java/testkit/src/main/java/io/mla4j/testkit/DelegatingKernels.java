package io.mla4j.testkit;

import io.mla4j.AttentionCosts;
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

/** Kernels that hand every call on: the base of those that change one. */
public class DelegatingKernels implements TileKernels {
  private final TileKernels kernels;

  /** Hands on to {@code kernels}. */
  public DelegatingKernels(TileKernels kernels) {
    this.kernels = kernels;
  }

  @Override
  public String isa() {
    return kernels.isa();
  }

  @Override
  public boolean prefersBf16() {
    return kernels.prefersBf16();
  }

  @Override
  public AttentionCosts attentionCosts() {
    return kernels.attentionCosts();
  }

  @Override
  public long packedBytes(LinearParams params) {
    return kernels.packedBytes(params);
  }

  @Override
  public void pack(
      LinearParams params,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed) {
    kernels.pack(params, x, indices, rowBegin, rowEnd, packed);
  }

  @Override
  public void linear(
      LinearParams params,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment scales,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y) {
    kernels.linear(params, packed, weight, scales, bias, nBegin, nEnd, y);
  }

  @Override
  public void headLinear(
      HeadLinearParams params,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment scales,
      int headBegin,
      int headEnd,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    kernels.headLinear(params, x, weight, scales, headBegin, headEnd, tokenBegin, tokenEnd, y);
  }

  @Override
  public long attentionWorkspace(
      AttentionParams params, CacheParams cacheParams, boolean decompressed) {
    return kernels.attentionWorkspace(params, cacheParams, decompressed);
  }

  @Override
  public void attendAbsorbed(
      AttentionParams params,
      CacheParams cacheParams,
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
    kernels.attendAbsorbed(
        params,
        cacheParams,
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
        lse,
        workspace);
  }

  @Override
  public void attendDecompressed(
      AttentionParams params,
      CacheParams cacheParams,
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
    kernels.attendDecompressed(
        params,
        cacheParams,
        q,
        kvB,
        kvBScales,
        cache,
        pageTable,
        alibiSlopes,
        headBegin,
        headEnd,
        queryBegin,
        queryEnd,
        out,
        lse,
        workspace);
  }

  @Override
  public void merge(
      MergeParams params,
      MemorySegment partialOut,
      MemorySegment partialLse,
      int tokenBegin,
      int tokenEnd,
      int headBegin,
      int headEnd,
      MemorySegment out,
      MemorySegment lse) {
    kernels.merge(
        params, partialOut, partialLse, tokenBegin, tokenEnd, headBegin, headEnd, out, lse);
  }

  @Override
  public void append(
      AppendParams params,
      CacheParams cacheParams,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment pageTable,
      int tokenBegin,
      int tokenEnd,
      MemorySegment cache) {
    kernels.append(
        params, cacheParams, a, normWeight, cosines, sines, pageTable, tokenBegin, tokenEnd, cache);
  }

  @Override
  public void rope(
      RopeParams params,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    kernels.rope(params, x, cosines, sines, tokenBegin, tokenEnd, y);
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
    kernels.rmsNorm(x, xStride, weight, eps, rows, width, y, yStride);
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
    kernels.swiglu(gate, gateStride, up, upStride, rows, width, y, yStride);
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
    kernels.add(x, xStride, r, rStride, scale, rows, width, y, yStride);
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
    kernels.embed(tableType, table, tableStride, vocabulary, ids, count, width, scale, y, yStride);
  }

  @Override
  public void route(
      RouteParams params,
      MemorySegment logits,
      MemorySegment bias,
      int tokenBegin,
      int tokenEnd,
      MemorySegment expertsOut,
      MemorySegment weightsOut) {
    kernels.route(params, logits, bias, tokenBegin, tokenEnd, expertsOut, weightsOut);
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
    kernels.combine(
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
}
