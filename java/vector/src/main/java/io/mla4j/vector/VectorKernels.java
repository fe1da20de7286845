package io.mla4j.vector;

import io.mla4j.AttentionCosts;
import io.mla4j.InvalidArgumentException;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.cpu.Stored;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import java.lang.foreign.MemorySegment;

/**
 * The kernels on {@code jdk.incubator.vector}: float32 arithmetic on stored F32, BF16 and F16
 * numbers that are widened once per block. What is rarely hot is inherited from {@link
 * ScalarKernels}. Thread-safe: scratch belongs to the calling thread.
 *
 * <p>This class cannot be loaded without the incubator module; {@link VectorBackend} can.
 */
final class VectorKernels extends ScalarKernels {
  /**
   * Query rows (query tokens times heads) that one pass over the keys serves; bounds the scratch.
   */
  private static final int MAX_ROWS = 256;

  /** Measured with vectors of 512 bits on one thread of a Zen 4, docs/architecture.md. */
  private static final AttentionCosts ATTENTION_COSTS = new AttentionCosts(19, 32, 16.5, 24.5, 1);

  @Override
  public String isa() {
    return "vector-" + Lanes.F.vectorBitSize();
  }

  @Override
  public int rowMultiple() {
    return Math.max(16, 2 * Lanes.L);
  }

  @Override
  public AttentionCosts attentionCosts() {
    return ATTENTION_COSTS;
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
    requireNoScales(scales);
    VectorLinear.linear(params, packed, weight, isNull(bias) ? null : bias, nBegin, nEnd, y);
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
    requireNoScales(scales);
    VectorLinear.headLinear(params, x, weight, headBegin, headEnd, tokenBegin, tokenEnd, y);
  }

  /**
   * Heads that a decode step scores in lanes: all but a remainder that {@link DimensionScores} does
   * faster. Given by the number of heads alone, so that a head's bits do not depend on the range of
   * a call.
   */
  private static int laneHeads(int heads) {
    int remainder = heads % (Lanes.WIDE ? 2 * Lanes.L : Lanes.L);
    return remainder <= DimensionScores.MAX_ROWS ? heads - remainder : heads;
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
    checkKeyOffset(p, c);
    int heads = headEnd - headBegin;
    int rows = heads * (queryEnd - queryBegin);
    for (int first = 0; first < rows; first += MAX_ROWS) {
      int count = Math.min(MAX_ROWS, rows - first);
      int lanes = p.queryTokens() == 1 ? laneHeads(p.heads()) - headBegin - first : count;
      int laneRows = Math.clamp(lanes, 0, count);
      VectorAttention attention =
          VectorAttention.ofThread()
              .absorbed(p, c, cache, pageTable, roundsQueries(p, c), laneRows, count - laneRows);
      attention.start();
      for (int r = 0; r < count; r++) {
        int t = queryBegin + (first + r) / heads;
        int h = headBegin + (first + r) % heads;
        attention.setRow(
            r, t, slope(alibiSlopes, h), q, t * p.qTokenStride() + h * p.qHeadStride());
      }
      attention.addCached(kvBegin, Math.min(kvEnd, attention.end()));
      for (int r = 0; r < count; r++) {
        int t = queryBegin + (first + r) / heads;
        int h = headBegin + (first + r) % heads;
        attention.finishRow(
            r,
            out,
            t * p.outTokenStride() + h * p.outHeadStride(),
            lse,
            t * p.lseTokenStride() + h * p.lseHeadStride());
      }
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
    int queries = queryEnd - queryBegin;
    VectorAttention attention =
        VectorAttention.ofThread()
            .decompressed(p, c, cache, pageTable, roundsQueries(p, c), queries);
    for (int h = headBegin; h < headEnd; h++) {
      attention.start();
      for (int r = 0; r < queries; r++) {
        int t = queryBegin + r;
        attention.setRow(
            r, t, slope(alibiSlopes, h), q, t * p.qTokenStride() + h * p.qHeadStride());
      }
      attention.addRebuilt(attention.end(), kvB, h);
      for (int r = 0; r < queries; r++) {
        int t = queryBegin + r;
        attention.finishRow(
            r,
            out,
            t * p.outTokenStride() + h * p.outHeadStride(),
            lse,
            t * p.lseTokenStride() + h * p.lseHeadStride());
      }
    }
  }

  /** Rows of the cache are keys, or hold a key of their own after the value. */
  private static void checkKeyOffset(AttentionParams p, CacheParams c) {
    if (p.keyOffset() != 0 && p.keyOffset() != c.layout().ropeOffset()) {
      throw new InvalidArgumentException(
          "key_offset is "
              + p.keyOffset()
              + ", but must be 0 or the rope offset of the layout, "
              + c.layout().ropeOffset());
    }
  }

  private static float slope(MemorySegment alibiSlopes, int head) {
    return isNull(alibiSlopes) ? 0 : Stored.readFloat(alibiSlopes, head);
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
    VectorRows.rmsNorm(x, xStride, weight, eps, rows, width, y, yStride);
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
    VectorRows.swiglu(gate, gateStride, up, upStride, rows, width, y, yStride);
  }
}
