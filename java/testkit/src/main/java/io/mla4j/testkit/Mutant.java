package io.mla4j.testkit;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
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
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;

/**
 * A defect that somebody could make: a table of operations that does not find it proves nothing.
 */
public enum Mutant {
  /** Scores one percent too large. */
  SCALE_ONE_PERCENT(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** 1/sqrt(latent + rope) instead of the scale that was given. */
  SCALE_OF_CACHED_ROW(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** The newest token is not seen. */
  DROPS_LAST_TOKEN(Operation.ATTEND_ABSORBED),
  /** A query sees one token too few. */
  CAUSAL_ONE_LESS(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** A query sees the future. */
  NOT_CAUSAL(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** BF16 is computed as F32: nothing is rounded. */
  NO_ROUNDING(
      Operation.LINEAR,
      Operation.HEAD_LINEAR,
      Operation.ATTEND_ABSORBED,
      Operation.ATTEND_DECOMPRESSED),
  /** F32 is computed as BF16. */
  NEEDLESS_ROUNDING(
      Operation.LINEAR,
      Operation.HEAD_LINEAR,
      Operation.ATTEND_ABSORBED,
      Operation.ATTEND_DECOMPRESSED),
  /** Queries are rounded, probabilities are not. */
  PROBABILITIES_NOT_ROUNDED(Operation.ATTEND_ABSORBED),
  /** ALiBi is forgotten. */
  NO_ALIBI(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** The base of the logarithm is 2. */
  LSE_BASE_TWO(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED, Operation.MERGE),
  /** An empty row has NaN. */
  EMPTY_ROW_NAN(Operation.ATTEND_ABSORBED, Operation.MERGE),
  /** The first byte behind the results is written. */
  WRITES_ONE_BEYOND(Operation.LINEAR),
  /** The column before the range is written. */
  WRITES_BEFORE_RANGE(Operation.LINEAR),
  /** The bias is forgotten. */
  NO_BIAS(Operation.LINEAR),
  /** Gathered rows are taken in order. */
  NO_GATHER(Operation.LINEAR),
  /** A partial result is left out. */
  ONE_PART_LESS(Operation.MERGE),
  /** Pairs where halves are meant, and the other way round. */
  OTHER_ROPE_LAYOUT(Operation.ROPE, Operation.APPEND),
  /** The angle's sign is turned round. */
  TURNS_BACK(Operation.ROPE, Operation.APPEND),
  /** Every row is one position late. */
  APPEND_ONE_LATE(Operation.APPEND),
  /** The norm's epsilon is another. */
  OTHER_EPS(Operation.RMS_NORM, Operation.APPEND),
  /** gate and up change places. */
  GATE_IS_UP(Operation.SWIGLU),
  /** The residual's scale is forgotten. */
  UNSCALED_RESIDUAL(Operation.ADD),
  /** The embedding's scale is forgotten. */
  UNSCALED_EMBEDDING(Operation.EMBED),
  /** The router's weights are not scaled. */
  UNSCALED_ROUTING(Operation.ROUTE),
  /** The bias chooses no experts. */
  ROUTE_WITHOUT_BIAS(Operation.ROUTE),
  /** Groups by their best expert where the sum of two is meant, and the other way round. */
  OTHER_GROUP_SCORE(Operation.ROUTE),
  /** Experts of dropped groups as zero where minus infinity is meant, and the other way round. */
  OTHER_GROUP_MASK(Operation.ROUTE),
  /** The shared expert is forgotten. */
  NO_SHARED_EXPERT(Operation.COMBINE),
  /** The last of a token's experts has no weight. */
  LAST_EXPERT_DROPPED(Operation.COMBINE);

  private final Set<Operation> operations;

  Mutant(Operation... operations) {
    this.operations = Set.of(operations);
  }

  /** The operations that it breaks. */
  public Set<Operation> operations() {
    return operations;
  }

  /** {@code kernels} with this defect. */
  public TileKernels in(TileKernels kernels) {
    return new Mutated(kernels);
  }

  private final class Mutated extends DelegatingKernels {
    Mutated(TileKernels kernels) {
      super(kernels);
    }

    private boolean is(Mutant m) {
      return Mutant.this == m;
    }

    private ComputeType compute(ComputeType compute) {
      return is(NO_ROUNDING) || is(PROBABILITIES_NOT_ROUNDED)
          ? ComputeType.F32
          : is(NEEDLESS_ROUNDING) ? ComputeType.BF16 : compute;
    }

    private LinearParams mutate(LinearParams p) {
      return new LinearParams(
          compute(p.compute()),
          p.weightType(),
          p.rows(),
          p.k(),
          p.n(),
          0,
          0,
          p.xStride(),
          p.weightStride(),
          p.yStride());
    }

    @Override
    public long packedBytes(LinearParams params) {
      return super.packedBytes(mutate(params));
    }

    @Override
    public void pack(
        LinearParams params,
        MemorySegment x,
        MemorySegment indices,
        int rowBegin,
        int rowEnd,
        MemorySegment packed) {
      boolean inOrder =
          is(NO_GATHER) && x.byteSize() >= 4 * ((rowEnd - 1) * params.xStride() + params.k());
      super.pack(
          mutate(params), x, inOrder ? MemorySegment.NULL : indices, rowBegin, rowEnd, packed);
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
      super.linear(
          mutate(params),
          packed,
          weight,
          scales,
          is(NO_BIAS) ? MemorySegment.NULL : bias,
          nBegin,
          nEnd,
          y);
      long beyond = 4 * (params.yStride() * (params.rows() - 1) + nEnd);
      if (is(WRITES_ONE_BEYOND) && beyond < y.byteSize()) {
        y.set(ValueLayout.JAVA_FLOAT_UNALIGNED, beyond, 1);
      }
      if (is(WRITES_BEFORE_RANGE) && nBegin > 0) {
        y.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * (nBegin - 1), 1);
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
      HeadLinearParams mutated =
          new HeadLinearParams(
              compute(p.compute()),
              p.weightType(),
              p.tokens(),
              p.heads(),
              p.in(),
              p.out(),
              p.transposed(),
              0,
              0,
              p.xTokenStride(),
              p.xHeadStride(),
              p.yTokenStride(),
              p.yHeadStride(),
              p.weightHeadStride(),
              p.weightStride());
      super.headLinear(mutated, x, weight, scales, headBegin, headEnd, tokenBegin, tokenEnd, y);
    }

    private AttentionParams mutate(AttentionParams p, CacheParams c) {
      float scale =
          is(SCALE_ONE_PERCENT)
              ? p.scale() * 1.01f
              : is(SCALE_OF_CACHED_ROW)
                  ? (float) (0.99 / Math.sqrt(c.layout().latent() + c.layout().rope() + 1.0))
                  : p.scale();
      // Positions move with the count of cached tokens.
      boolean less = is(CAUSAL_ONE_LESS) && p.causal() && p.kvTokens() > p.queryTokens();
      return new AttentionParams(
          compute(p.compute()),
          p.heads(),
          p.queryTokens(),
          less ? p.kvTokens() - 1 : p.kvTokens(),
          p.causal() && !is(NOT_CAUSAL),
          p.nope(),
          p.value(),
          p.weightType(),
          0,
          0,
          scale,
          p.keyOffset(),
          p.qTokenStride(),
          p.qHeadStride(),
          p.outTokenStride(),
          p.outHeadStride(),
          p.lseTokenStride(),
          p.lseHeadStride(),
          p.weightHeadStride(),
          p.weightStride());
    }

    private MemorySegment mutateQueries(AttentionParams p, CacheParams c, MemorySegment q) {
      if (!is(PROBABILITIES_NOT_ROUNDED)
          || p.compute() != ComputeType.BF16
          || c.layout().type() != CacheType.BF16) {
        return q;
      }
      float[] rounded = q.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
      for (int i = 0; i < rounded.length; i++) {
        rounded[i] = Rounding.bf16(rounded[i]);
      }
      return MemorySegment.ofArray(rounded);
    }

    private MemorySegment mutateSlopes(MemorySegment slopes) {
      return is(NO_ALIBI) ? MemorySegment.NULL : slopes;
    }

    @Override
    public long attentionWorkspace(AttentionParams p, CacheParams c, boolean decompressed) {
      return Math.max(
          super.attentionWorkspace(p, c, decompressed),
          super.attentionWorkspace(mutate(p, c), c, decompressed));
    }

    @Override
    public void attendAbsorbed(
        AttentionParams params,
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
      AttentionParams p = mutate(params, c);
      int end = is(DROPS_LAST_TOKEN) ? Math.max(kvBegin, kvEnd - 1) : kvEnd;
      end = Math.min(end, p.kvTokens());
      super.attendAbsorbed(
          p,
          c,
          mutateQueries(params, c, q),
          cache,
          pageTable,
          mutateSlopes(alibiSlopes),
          headBegin,
          headEnd,
          queryBegin,
          queryEnd,
          Math.min(kvBegin, end),
          end,
          out,
          lse,
          workspace);
      mutateRows(p, headBegin, headEnd, queryBegin, queryEnd, out, lse);
    }

    @Override
    public void attendDecompressed(
        AttentionParams params,
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
      AttentionParams p = mutate(params, c);
      super.attendDecompressed(
          p,
          c,
          q,
          kvB,
          kvBScales,
          cache,
          pageTable,
          mutateSlopes(alibiSlopes),
          headBegin,
          headEnd,
          queryBegin,
          queryEnd,
          out,
          lse,
          workspace);
      mutateRows(p, headBegin, headEnd, queryBegin, queryEnd, out, lse);
    }

    private void mutateRows(
        AttentionParams p,
        int headBegin,
        int headEnd,
        int queryBegin,
        int queryEnd,
        MemorySegment out,
        MemorySegment lse) {
      for (int t = queryBegin; t < queryEnd; t++) {
        for (int h = headBegin; h < headEnd; h++) {
          long at = t * p.lseTokenStride() + h * p.lseHeadStride();
          mutateRow(lse, at, out, t * p.outTokenStride() + h * p.outHeadStride());
        }
      }
    }

    private void mutateRow(MemorySegment lse, long lseAt, MemorySegment out, long outAt) {
      float value = lse.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * lseAt);
      if (is(LSE_BASE_TWO)) {
        lse.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * lseAt, value / (float) Math.log(2));
      }
      if (is(EMPTY_ROW_NAN) && value == Float.NEGATIVE_INFINITY) {
        out.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * outAt, Float.NaN);
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
      MergeParams mutated =
          new MergeParams(
              is(ONE_PART_LESS) ? Math.max(1, p.parts() - 1) : p.parts(),
              p.tokens(),
              p.heads(),
              p.width(),
              p.partStride(),
              p.partTokenStride(),
              p.partHeadStride(),
              p.partLseStride(),
              p.partLseTokenStride(),
              p.partLseHeadStride(),
              p.outTokenStride(),
              p.outHeadStride(),
              p.lseTokenStride(),
              p.lseHeadStride());
      super.merge(
          mutated, partialOut, partialLse, tokenBegin, tokenEnd, headBegin, headEnd, out, lse);
      for (int t = tokenBegin; t < tokenEnd && lse.byteSize() > 0; t++) {
        for (int h = headBegin; h < headEnd; h++) {
          long at = t * p.lseTokenStride() + h * p.lseHeadStride();
          mutateRow(lse, at, out, t * p.outTokenStride() + h * p.outHeadStride());
        }
      }
    }

    private RopeLayout mutate(RopeLayout layout) {
      return is(OTHER_ROPE_LAYOUT)
          ? layout == RopeLayout.PAIRS ? RopeLayout.HALVES : RopeLayout.PAIRS
          : layout;
    }

    private MemorySegment mutateSines(MemorySegment sines) {
      if (!is(TURNS_BACK)) {
        return sines;
      }
      float[] turned = sines.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
      for (int i = 0; i < turned.length; i++) {
        turned[i] = -turned[i];
      }
      return MemorySegment.ofArray(turned);
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
      boolean room = (p.position() + p.tokens()) % c.pageSize() != 0;
      AppendParams mutated =
          new AppendParams(
              p.tokens(),
              is(APPEND_ONE_LATE) && room ? p.position() + 1 : p.position(),
              mutate(p.ropeLayout()),
              is(OTHER_EPS) ? p.eps() * 2 + 1e-3f : p.eps(),
              p.aStride());
      super.append(
          mutated,
          c,
          a,
          normWeight,
          cosines,
          mutateSines(sines),
          pageTable,
          tokenBegin,
          tokenEnd,
          cache);
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
      RopeParams mutated =
          new RopeParams(
              p.tokens(),
              p.heads(),
              p.width(),
              p.rope(),
              mutate(p.ropeLayout()),
              p.xTokenStride(),
              p.xHeadStride(),
              p.yTokenStride(),
              p.yHeadStride());
      super.rope(mutated, x, cosines, mutateSines(sines), tokenBegin, tokenEnd, y);
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
      float mutated = is(OTHER_EPS) ? eps * 2 + 1e-3f : eps;
      super.rmsNorm(x, xStride, weight, mutated, rows, width, y, yStride);
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
      if (is(GATE_IS_UP)) {
        super.swiglu(up, upStride, gate, gateStride, rows, width, y, yStride);
      } else {
        super.swiglu(gate, gateStride, up, upStride, rows, width, y, yStride);
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
      float mutated = is(UNSCALED_RESIDUAL) ? 1 : scale;
      super.add(x, xStride, r, rStride, mutated, rows, width, y, yStride);
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
      float mutated = is(UNSCALED_EMBEDDING) ? 1 : scale;
      super.embed(
          tableType, table, tableStride, vocabulary, ids, count, width, mutated, y, yStride);
    }

    private <T> T other(T value, List<T> two) {
      return two.get(1 - two.indexOf(value));
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
      Routing r = p.routing();
      Routing mutated =
          new Routing(
              r.experts(),
              r.topK(),
              r.score(),
              r.groups(),
              r.keptGroups(),
              is(OTHER_GROUP_SCORE)
                  ? other(r.groupScore(), List.of(Routing.GroupScore.values()))
                  : r.groupScore(),
              is(OTHER_GROUP_MASK)
                  ? other(r.groupMask(), List.of(Routing.GroupMask.values()))
                  : r.groupMask(),
              r.renormalize(),
              is(UNSCALED_ROUTING) ? 1 : r.scale());
      super.route(
          new RouteParams(p.tokens(), mutated, p.logitsStride()),
          logits,
          is(ROUTE_WITHOUT_BIAS) ? MemorySegment.NULL : bias,
          tokenBegin,
          tokenEnd,
          expertsOut,
          weightsOut);
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
      MemorySegment mutated = weights;
      if (is(LAST_EXPERT_DROPPED)) {
        float[] w = weights.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        for (int t = 0; t < tokens; t++) {
          w[t * topK + topK - 1] = 0;
        }
        mutated = MemorySegment.ofArray(w);
      }
      super.combine(
          expertOut,
          expertOutStride,
          slotCount,
          slots,
          mutated,
          is(NO_SHARED_EXPERT) ? MemorySegment.NULL : shared,
          sharedStride,
          tokens,
          topK,
          width,
          y,
          yStride);
    }
  }
}
