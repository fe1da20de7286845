package io.mla4j.cpu;

import io.mla4j.DecodePlan;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;

/**
 * Operations on rows that do not depend on each other, cut into tiles of rows. Each is one object
 * that is filled and run again and again: a decode loop makes no garbage. Used between {@link
 * Workers#enter} and {@link Workers#leave}.
 */
final class RowOps {
  /** Elements of a tile: enough that handing it out costs little. */
  private static final int TILE_ELEMENTS = 1 << 15;

  private final TileKernels kernels;
  private final Workers workers;
  private final Embed embed = new Embed();
  private final RmsNorm rmsNorm = new RmsNorm();
  private final Add add = new Add();
  private final Rotate rotate = new Rotate();
  private final Append append = new Append();
  private final Merge merge = new Merge();

  RowOps(TileKernels kernels, Workers workers) {
    this.kernels = kernels;
    this.workers = workers;
  }

  void embed(Weight table, Tensor ids, float scale, Tensor out) {
    embed.table = table;
    embed.ids = ids;
    embed.scale = scale;
    embed.out = out;
    embed.run(out.dim(0), out.dim(1));
  }

  void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    rmsNorm.x = x;
    rmsNorm.weight = weight;
    rmsNorm.eps = eps;
    rmsNorm.out = out;
    rmsNorm.run(x.dim(0), x.dim(1));
  }

  void add(Tensor x, Tensor residual, float scale, Tensor out) {
    add.x = x;
    add.residual = residual;
    add.scale = scale;
    add.out = out;
    add.run(x.dim(0), x.dim(1));
  }

  void rotate(Tensor q, Rotation rotation, int rope, Tensor out) {
    if (!rotate.fits(q, rotation, rope, out)) {
      rotate.params =
          new RopeParams(
              (int) q.dim(0),
              (int) q.dim(1),
              (int) q.dim(2),
              rope,
              rotation.layout(),
              q.stride(0),
              q.stride(1),
              out.stride(0),
              out.stride(1));
    }
    rotate.q = q;
    rotate.rotation = rotation;
    rotate.out = out;
    rotate.run(q.dim(0), q.dim(1) * q.dim(2));
  }

  /** The new tokens of all sequences. */
  void append(
      DecodePlan plan, int layer, Tensor a, Tensor normWeight, float eps, Rotation rotation) {
    append.plan = plan;
    append.layer = layer;
    append.a = a;
    append.normWeight = normWeight == null ? MemorySegment.NULL : normWeight.segment();
    append.eps = eps;
    append.rotation = rotation;
    append.run(plan.tokens(), a.dim(1));
  }

  void merge(MergeParams params, Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse) {
    merge.params = params;
    merge.partialOut = partialOut;
    merge.partialLse = partialLse;
    merge.out = out;
    merge.lse = lse == null ? MemorySegment.NULL : lse.segment();
    merge.run(params.tokens(), (long) params.parts() * params.heads() * params.width());
  }

  /** An operation whose tiles are ranges of rows. */
  private abstract class Rows implements Workers.Task {
    private long n;
    private int perTile;

    /** n rows of {@code width} elements. */
    final void run(long n, long width) {
      this.n = n;
      perTile = (int) Math.max(1, TILE_ELEMENTS / Math.max(1, width));
      workers.run((int) ((n + perTile - 1) / perTile), this);
    }

    @Override
    public final void run(int tile, int worker) {
      long begin = (long) tile * perTile;
      runRows((int) begin, (int) Math.min(n, begin + perTile));
    }

    abstract void runRows(int begin, int end);
  }

  private final class Embed extends Rows {
    Weight table;
    Tensor ids;
    float scale;
    Tensor out;

    @Override
    void runRows(int begin, int end) {
      kernels.embed(
          table.tensor().format(),
          table.tensor().segment(),
          table.tensor().stride(0),
          (int) table.tensor().dim(0),
          ids.segmentFrom(begin),
          end - begin,
          (int) out.dim(1),
          scale,
          out.segmentFrom(begin),
          out.stride(0));
    }
  }

  private final class RmsNorm extends Rows {
    Tensor x;
    Tensor weight;
    float eps;
    Tensor out;

    @Override
    void runRows(int begin, int end) {
      kernels.rmsNorm(
          x.segmentFrom(begin),
          x.stride(0),
          weight.segment(),
          eps,
          end - begin,
          (int) x.dim(1),
          out.segmentFrom(begin),
          out.stride(0));
    }
  }

  private final class Add extends Rows {
    Tensor x;
    Tensor residual;
    float scale;
    Tensor out;

    @Override
    void runRows(int begin, int end) {
      kernels.add(
          x.segmentFrom(begin),
          x.stride(0),
          residual.segmentFrom(begin),
          residual.stride(0),
          scale,
          end - begin,
          (int) x.dim(1),
          out.segmentFrom(begin),
          out.stride(0));
    }
  }

  private final class Rotate extends Rows {
    RopeParams params;
    Tensor q;
    Rotation rotation;
    Tensor out;

    boolean fits(Tensor q, Rotation rotation, int rope, Tensor out) {
      return params != null
          && params.tokens() == q.dim(0)
          && params.heads() == q.dim(1)
          && params.width() == q.dim(2)
          && params.rope() == rope
          && params.ropeLayout() == rotation.layout()
          && params.xTokenStride() == q.stride(0)
          && params.xHeadStride() == q.stride(1)
          && params.yTokenStride() == out.stride(0)
          && params.yHeadStride() == out.stride(1);
    }

    @Override
    void runRows(int begin, int end) {
      kernels.rope(
          params,
          q.segment(),
          rotation.cosines().segment(),
          rotation.sines().segment(),
          begin,
          end,
          out.segment());
    }
  }

  private final class Append extends Rows {
    DecodePlan plan;
    int layer;
    Tensor a;
    MemorySegment normWeight;
    float eps;
    Rotation rotation;

    /** Of the last call for a single sequence: the layers of a step have the same numbers. */
    private AppendParams last;

    @Override
    void runRows(int begin, int end) {
      for (int i = 0; i < plan.sequences(); i++) {
        int first = plan.firstToken(i);
        int from = Math.max(begin, first);
        int to = Math.min(end, first + plan.queryTokens(i));
        if (from < to) {
          kernels.append(
              params(i),
              plan.cacheParams(),
              a.segmentFrom(first),
              normWeight,
              rotation.cosines().segmentFrom(first),
              rotation.sines().segmentFrom(first),
              plan.pageTable(i),
              from - first,
              to - first,
              plan.layerBase(layer));
        }
      }
    }

    private AppendParams params(int i) {
      AppendParams p = last;
      int tokens = plan.queryTokens(i);
      int position = plan.kvTokens(i) - tokens;
      if (p == null
          || p.tokens() != tokens
          || p.position() != position
          || p.ropeLayout() != rotation.layout()
          || p.eps() != eps
          || p.aStride() != a.stride(0)) {
        p = new AppendParams(tokens, position, rotation.layout(), eps, a.stride(0));
        last = p;
      }
      return p;
    }
  }

  private final class Merge extends Rows {
    MergeParams params;
    Tensor partialOut;
    Tensor partialLse;
    Tensor out;
    MemorySegment lse;

    @Override
    void runRows(int begin, int end) {
      kernels.merge(
          params,
          partialOut.segment(),
          partialLse.segment(),
          begin,
          end,
          0,
          params.heads(),
          out.segment(),
          lse);
    }
  }
}
