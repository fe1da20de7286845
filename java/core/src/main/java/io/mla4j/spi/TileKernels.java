package io.mla4j.spi;

import io.mla4j.AttentionCosts;
import io.mla4j.ops.Ops;
import java.lang.foreign.MemorySegment;

/**
 * The kernels of one instruction set, one call a tile: the Java mirror of {@code mla_kernels} in
 * {@code native/include/mla/mla.h}, which has the formulas, shapes and rules of every function.
 * Implemented by the scalar, vector and native kernels.
 *
 * <p>Segments start at element 0 of what the header calls by the same name; {@link
 * MemorySegment#NULL} stands for a pointer that may be NULL. Callers ({@link Ops}) have checked
 * shapes and sizes; implementations check what would otherwise touch memory that is not theirs,
 * page ids and token ids above all, and throw {@link io.mla4j.InvalidArgumentException}.
 *
 * <p>Every method may be called from any number of threads at once on disjoint outputs and
 * workspaces, allocates nothing that outlives it, and computes each element by one fixed sequence
 * of operations whatever the ranges of the call; the header names the one exception, how attention
 * is cut into calls.
 */
public interface TileKernels {
  /**
   * Heads of a tile of attention at most: they share the rows of the cache that it reads. Fixed, so
   * that bits do not depend on the threads.
   */
  int HEAD_BLOCK = 64;

  /** (query, head) pairs of a tile in the absorbed form at most: bounds the workspace. */
  int TILE_ROWS = 256;

  /** The instruction set by name: {@code scalar}, {@code vector-512}, {@code avx512bf16}. */
  String isa();

  /**
   * Whether bf16 operands are multiplied faster than float32 ones; decides the default compute
   * type.
   */
  boolean prefersBf16();

  /**
   * Rows of attention that the kernels take together: a multiple of 16, where cuts change no bits.
   */
  default int rowMultiple() {
    return 16;
  }

  /**
   * Heads of a tile: as few blocks as {@link #HEAD_BLOCK} allows, of the same size but for the last
   * one, in whole {@link #rowMultiple}s. 96 heads are two tiles of 48 then: with 64 and 32, one of
   * two threads would be idle for half of its time.
   */
  default int headBlock(int heads) {
    int equal = Math.ceilDiv(heads, Math.ceilDiv(heads, HEAD_BLOCK));
    return Math.min(heads, Math.ceilDiv(equal, rowMultiple()) * rowMultiple());
  }

  /** What the forms of attention cost here. */
  default AttentionCosts attentionCosts() {
    return AttentionCosts.EVEN;
  }

  /** Bytes of the packed form of {@code rows x k} activations. */
  long packedBytes(LinearParams params);

  /**
   * Packs rows {@code [rowBegin, rowEnd)} of x (rows, k) F32; {@code rowBegin} is a multiple of 16;
   * indices (rows) I32 or NULL.
   */
  void pack(
      LinearParams params,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed);

  /**
   * y (rows, n) F32, columns {@code [nBegin, nEnd)}: x W^T + bias for all rows; weight (n, k);
   * scales, bias (n) F32 or NULL.
   */
  void linear(
      LinearParams params,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment scales,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y);

  /**
   * y (tokens, heads, out) F32 from x (tokens, heads, in) F32 and one small matrix for each head.
   */
  void headLinear(
      HeadLinearParams params,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment scales,
      int headBegin,
      int headEnd,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y);

  /** Bytes of workspace for one call of {@link #attendAbsorbed} or {@link #attendDecompressed}. */
  long attentionWorkspace(AttentionParams params, CacheParams cacheParams, boolean decompressed);

  /**
   * q (queryTokens, heads, latent + rope) F32, or (.., rope) with keys of their own; out
   * (queryTokens, heads, latent) F32, lse (queryTokens, heads) F32; the cache is the layer's first
   * page, pageTable I32; alibiSlopes (heads) F32 or NULL.
   */
  void attendAbsorbed(
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
      MemorySegment workspace);

  /**
   * q (queryTokens, heads, nope + rope) F32, kvB (heads * (nope + value), latent), out
   * (queryTokens, heads, value) F32, lse as above.
   */
  void attendDecompressed(
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
      MemorySegment workspace);

  /**
   * Partial results (parts, tokens, heads, width) and lse (parts, tokens, heads) into out (tokens,
   * heads, width), lse or NULL.
   */
  void merge(
      MergeParams params,
      MemorySegment partialOut,
      MemorySegment partialLse,
      int tokenBegin,
      int tokenEnd,
      int headBegin,
      int headEnd,
      MemorySegment out,
      MemorySegment lse);

  /**
   * a (tokens, latent + rope) F32 into cache rows; normWeight (latent) F32 or NULL; cosines, sines
   * (tokens, rope / 2) F32.
   */
  void append(
      AppendParams params,
      CacheParams cacheParams,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment pageTable,
      int tokenBegin,
      int tokenEnd,
      MemorySegment cache);

  /**
   * The last {@code rope} of the {@code width} elements of each head rotated, the others copied; y
   * may be x.
   */
  void rope(
      RopeParams params,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y);

  /** y = weight * x / sqrt(mean(x^2) + eps); y may be x. */
  void rmsNorm(
      MemorySegment x,
      long xStride,
      MemorySegment weight,
      float eps,
      int rows,
      int width,
      MemorySegment y,
      long yStride);

  /** y = gate / (1 + exp(-gate)) * up; y may be gate or up. */
  void swiglu(
      MemorySegment gate,
      long gateStride,
      MemorySegment up,
      long upStride,
      int rows,
      int width,
      MemorySegment y,
      long yStride);

  /** y = x + scale * r; y may be x or r. */
  void add(
      MemorySegment x,
      long xStride,
      MemorySegment r,
      long rStride,
      float scale,
      int rows,
      int width,
      MemorySegment y,
      long yStride);

  /** y[i] = scale * table[ids[i]]; ids (count) I32. */
  void embed(
      io.mla4j.ops.StorageFormat tableType,
      MemorySegment table,
      long tableStride,
      int vocabulary,
      MemorySegment ids,
      int count,
      int width,
      float scale,
      MemorySegment y,
      long yStride);

  /**
   * logits (tokens, experts) F32, bias (experts) F32 or NULL, expertsOut (tokens, topK) I32,
   * weightsOut (tokens, topK) F32.
   */
  void route(
      RouteParams params,
      MemorySegment logits,
      MemorySegment bias,
      int tokenBegin,
      int tokenEnd,
      MemorySegment expertsOut,
      MemorySegment weightsOut);

  /**
   * y[t] = sum over j of weights[t, j] * expertOut[slots[t, j]], in the order of j, then +
   * shared[t] (or NULL).
   */
  void combine(
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
      long yStride);
}
