package io.mla4j.cpu;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Attention as tiles: (sequence, head block, query block, split) in the absorbed form, (sequence,
 * head) in the decompressed form. Used between {@link Workers#enter} and {@link Workers#leave}; the
 * objects of an operation are filled and run again and again, so that a decode loop makes no
 * garbage.
 */
final class AttentionOps implements AutoCloseable {
  private final TileKernels kernels;
  private final Workers workers;
  private final Buffer absorbed;
  private final Buffer latents;
  private final Buffer lses;
  private final Buffer partials;
  private final Buffer partialLses;
  private final Buffer workspaces;
  private final HeadLinear absorb = new HeadLinear(true);
  private final HeadLinear expand = new HeadLinear(false);
  private final Absorbed absorbedForm = new Absorbed();
  private final Decompressed decompressedForm = new Decompressed();
  private final Merge merge = new Merge();
  private Tensor absorbedQueries;
  private Tensor latentOuts;
  private Tensor lseOuts;

  AttentionOps(TileKernels kernels, CpuDevice.Allocator allocator, Workers workers) {
    this.kernels = kernels;
    this.workers = workers;
    absorbed = new Buffer(allocator);
    latents = new Buffer(allocator);
    lses = new Buffer(allocator);
    partials = new Buffer(allocator);
    partialLses = new Buffer(allocator);
    workspaces = new Buffer(allocator);
  }

  /** out[t, h] = [W_UK[h]^T q_nope[t, h] | q_rope[t, h]]. */
  void absorb(MlaShape s, Tensor q, Weight kvB, ComputeType compute, Tensor out) {
    absorb.run(s, q, kvB, compute, out);
  }

  /** out[t, h] = W_UV[h] x[t, h]. */
  void expand(MlaShape s, Tensor x, Weight kvB, ComputeType compute, Tensor out) {
    expand.run(s, x, kvB, compute, out);
  }

  /** Every sequence in the form of the plan: absorbed ones first, then decompressed ones. */
  void attend(
      DecodePlan plan,
      int layer,
      Tensor q,
      Weight kvB,
      AttentionScore score,
      ComputeType compute,
      Tensor out) {
    int absorbedFrom = -1;
    int absorbedTo = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      if (isAbsorbed(plan, i)) {
        absorbedFrom = absorbedFrom < 0 ? plan.firstToken(i) : absorbedFrom;
        absorbedTo = plan.firstToken(i) + plan.queryTokens(i);
      }
    }
    if (absorbedFrom >= 0) {
      // Tokens of decompressed sequences in between are absorbed in vain; the plan puts sequences
      // in the caller's order.
      MlaShape s = plan.shape();
      int n = absorbedTo - absorbedFrom;
      absorbedQueries = tensor(absorbedQueries, absorbed, plan.tokens(), s.heads(), s.cached());
      latentOuts = tensor(latentOuts, latents, plan.tokens(), s.heads(), s.latent());
      Tensor qa = absorbedQueries;
      Tensor latent = latentOuts;
      absorb(s, rows(q, absorbedFrom, n), kvB, compute, rows(qa, absorbedFrom, n));
      attendAbsorbed(plan, layer, qa, score, compute, latent, null, true);
      for (int i = 0; i < plan.sequences(); i++) {
        if (isAbsorbed(plan, i)) {
          int first = plan.firstToken(i);
          int tokens = plan.queryTokens(i);
          expand(s, rows(latent, first, tokens), kvB, compute, rows(out, first, tokens));
        }
      }
    }
    decompressedForm.run(plan, layer, q, kvB, score, compute, out);
  }

  /** {@code chosenOnly}: only the sequences whose form is absorbed. */
  void attendAbsorbed(
      DecodePlan plan,
      int layer,
      Tensor q,
      AttentionScore score,
      ComputeType compute,
      Tensor out,
      Tensor lse,
      boolean chosenOnly) {
    if (lse == null) {
      lseOuts = tensor(lseOuts, lses, plan.tokens(), q.dim(1), 1);
    }
    absorbedForm.run(plan, layer, q, score, compute, out, lse == null ? lseOuts : lse, chosenOnly);
  }

  /** A tensor of a buffer, the last one where it has this shape still. */
  private static Tensor tensor(Tensor last, Buffer buffer, long d0, long d1, long d2) {
    MemorySegment segment = buffer.floats(Math.multiplyExact(Math.multiplyExact(d0, d1), d2));
    return last != null
            && last.segment() == segment
            && last.dim(0) == d0
            && last.dim(1) == d1
            && last.dim(2) == d2
        ? last
        : Tensor.of(segment, StorageFormat.F32, d0, d1, d2);
  }

  private static Tensor rows(Tensor tensor, int first, int count) {
    return first == 0 && count == tensor.dim(0) ? tensor : tensor.slice(first, count);
  }

  private static MemorySegment slopes(AttentionScore score) {
    return score.alibiSlopes() == null ? MemorySegment.NULL : score.alibiSlopes().segment();
  }

  /**
   * A small linear for each head, a head to a tile: W_UK^T q (transposed), with the rotated part
   * copied behind it, or W_UV x.
   */
  private final class HeadLinear implements Workers.Task {
    private final boolean transposed;
    private MlaShape shape;
    private HeadLinearParams params;
    private Tensor x;
    private Weight kvB;
    private Tensor out;

    HeadLinear(boolean transposed) {
      this.transposed = transposed;
    }

    void run(MlaShape s, Tensor x, Weight kvB, ComputeType compute, Tensor out) {
      if (!fits(s, x, kvB, compute, out)) {
        params =
            new HeadLinearParams(
                compute,
                kvB.tensor().format(),
                (int) x.dim(0),
                s.heads(),
                transposed ? s.nope() : s.latent(),
                transposed ? s.latent() : s.value(),
                transposed,
                0,
                0,
                x.stride(0),
                x.stride(1),
                out.stride(0),
                out.stride(1),
                (s.nope() + s.value()) * kvB.tensor().stride(0),
                kvB.tensor().stride(0));
      }
      this.shape = s;
      this.x = x;
      this.kvB = kvB;
      this.out = out;
      long work = params.tokens() * (long) s.heads() * params.in() * params.out();
      workers.run(s.heads(), work, this);
    }

    private boolean fits(MlaShape s, Tensor x, Weight kvB, ComputeType compute, Tensor out) {
      return params != null
          && (s == shape || s.equals(shape))
          && params.compute() == compute
          && params.weightType() == kvB.tensor().format()
          && params.tokens() == x.dim(0)
          && params.xTokenStride() == x.stride(0)
          && params.xHeadStride() == x.stride(1)
          && params.yTokenStride() == out.stride(0)
          && params.yHeadStride() == out.stride(1)
          && params.weightStride() == kvB.tensor().stride(0);
    }

    @Override
    public void run(int h, int worker) {
      MemorySegment weight = kvB.tensor().segmentFrom(transposed ? 0 : shape.nope());
      MemorySegment none = MemorySegment.NULL;
      int tokens = params.tokens();
      kernels.headLinear(params, x.segment(), weight, none, h, h + 1, 0, tokens, out.segment());
      if (transposed) {
        for (long t = 0; t < tokens; t++) {
          MemorySegment.copy(
              x.segment(),
              ValueLayout.JAVA_FLOAT_UNALIGNED,
              4 * (t * x.stride(0) + h * x.stride(1) + shape.nope()),
              out.segment(),
              ValueLayout.JAVA_FLOAT_UNALIGNED,
              4 * (t * out.stride(0) + h * out.stride(1) + shape.latent()),
              shape.rope());
        }
      }
    }
  }

  /** What both forms have: tiles of sequences, one after the other, and a workspace per worker. */
  private abstract class Form implements Workers.Task {
    DecodePlan plan;
    int layer;
    int heads;
    Tensor q;
    Tensor out;
    MemorySegment slopes;
    long perWorker;
    int[] firstTile = new int[2];
    AttentionParams[] params = new AttentionParams[1];

    final void prepare(DecodePlan plan, int layer, Tensor q, AttentionScore score, Tensor out) {
      this.plan = plan;
      this.layer = layer;
      this.heads = (int) q.dim(1);
      this.q = q;
      this.out = out;
      this.slopes = slopes(score);
      perWorker = 0;
      if (params.length < plan.sequences()) {
        params = Arrays.copyOf(params, plan.sequences());
        firstTile = new int[plan.sequences() + 1];
      }
    }

    final void reserveWorkspace(int i, boolean decompressed) {
      long bytes = kernels.attentionWorkspace(params[i], plan.cacheParams(), decompressed);
      perWorker = Math.max(perWorker, Buffer.roundUp(bytes));
    }

    final void runTiles() {
      workspaces.bytes(perWorker * workers.threads());
      workers.run(firstTile[plan.sequences()], this);
    }

    final int sequenceOf(int tile) {
      int i = 0;
      while (tile >= firstTile[i + 1]) {
        i++;
      }
      return i;
    }

    final MemorySegment workspace(int worker) {
      return workspaces.view(worker * perWorker, perWorker);
    }
  }

  private final class Absorbed extends Form {
    private Tensor lse;
    private int latent;
    private int headBlock;
    private int headBlocks;
    private int queryBlock;
    private long[] partialAt = new long[2];

    void run(
        DecodePlan plan,
        int layer,
        Tensor q,
        AttentionScore score,
        ComputeType compute,
        Tensor out,
        Tensor lse,
        boolean chosenOnly) {
      prepare(plan, layer, q, score, out);
      this.lse = lse;
      latent = (int) out.dim(2);
      headBlock = kernels.headBlock(heads);
      headBlocks = Math.ceilDiv(heads, headBlock);
      queryBlock = Math.max(1, TileKernels.TILE_ROWS / headBlock);
      int sequences = plan.sequences();
      if (partialAt.length <= sequences) {
        partialAt = new long[sequences + 1];
      }
      for (int i = 0; i < sequences; i++) {
        firstTile[i + 1] = firstTile[i];
        partialAt[i + 1] = partialAt[i];
        if (!chosenOnly || isAbsorbed(plan, i)) {
          int splits = splits(plan, i);
          int n = plan.queryTokens(i);
          params[i] = params(params[i], i, compute, score.scale(), splits > 1);
          firstTile[i + 1] += headBlocks * ((n + queryBlock - 1) / queryBlock) * splits;
          partialAt[i + 1] += splits > 1 ? (long) splits * n * heads : 0;
          reserveWorkspace(i, false);
        }
      }
      partials.floats(partialAt[sequences] * latent);
      partialLses.floats(partialAt[sequences]);
      runTiles();
      for (int i = 0; i < sequences; i++) {
        if (firstTile[i + 1] > firstTile[i] && splits(plan, i) > 1) {
          merge.run(plan, i, partialAt[i], out, lse);
        }
      }
    }

    private AttentionParams params(
        AttentionParams last, int i, ComputeType compute, float scale, boolean partial) {
      long outTokenStride = partial ? (long) heads * latent : out.stride(0);
      long outHeadStride = partial ? latent : out.stride(1);
      long lseTokenStride = partial ? heads : lse.stride(0);
      if (last != null
          && last.compute() == compute
          && last.heads() == heads
          && last.queryTokens() == plan.queryTokens(i)
          && last.kvTokens() == plan.kvTokens(i)
          && last.scale() == scale
          && last.qTokenStride() == q.stride(0)
          && last.qHeadStride() == q.stride(1)
          && last.outTokenStride() == outTokenStride
          && last.outHeadStride() == outHeadStride
          && last.lseTokenStride() == lseTokenStride) {
        return last;
      }
      return new AttentionParams(
          compute,
          heads,
          plan.queryTokens(i),
          plan.kvTokens(i),
          true,
          0,
          0,
          StorageFormat.F32,
          0,
          0,
          scale,
          0,
          q.stride(0),
          q.stride(1),
          outTokenStride,
          outHeadStride,
          lseTokenStride,
          1,
          0,
          0);
    }

    @Override
    public void run(int tile, int worker) {
      int i = sequenceOf(tile);
      int rest = tile - firstTile[i];
      int splits = splits(plan, i);
      // tiles of the same rows of the cache are neighbours: they come from memory once
      int headBegin = rest % headBlocks * headBlock;
      int split = rest / headBlocks % splits;
      int queryBegin = rest / headBlocks / splits * queryBlock;
      int n = plan.queryTokens(i);
      int kvBegin = split * plan.splitLength(i);
      long rows = (long) n * heads;
      long at = partialAt[i] + split * rows;
      int first = plan.firstToken(i);
      kernels.attendAbsorbed(
          params[i],
          plan.cacheParams(),
          q.segmentFrom(first),
          plan.layerBase(layer),
          plan.pageTable(i),
          slopes,
          headBegin,
          Math.min(heads, headBegin + headBlock),
          queryBegin,
          Math.min(n, queryBegin + queryBlock),
          kvBegin,
          splits == 1
              ? plan.kvTokens(i)
              : Math.min(plan.kvTokens(i), kvBegin + plan.splitLength(i)),
          splits == 1 ? out.segmentFrom(first) : partials.floatView(at * latent, rows * latent),
          splits == 1 ? lse.segmentFrom(first) : partialLses.floatView(at, rows),
          workspace(worker));
    }
  }

  private final class Decompressed extends Form {
    private Weight kvB;

    void run(
        DecodePlan plan,
        int layer,
        Tensor q,
        Weight kvB,
        AttentionScore score,
        ComputeType compute,
        Tensor out) {
      prepare(plan, layer, q, score, out);
      this.kvB = kvB;
      MlaShape s = plan.shape();
      int sequences = plan.sequences();
      for (int i = 0; i < sequences; i++) {
        firstTile[i + 1] = firstTile[i];
        if (!isAbsorbed(plan, i) && plan.queryTokens(i) > 0) {
          params[i] =
              new AttentionParams(
                  compute,
                  heads,
                  plan.queryTokens(i),
                  plan.kvTokens(i),
                  true,
                  s.nope(),
                  s.value(),
                  kvB.tensor().format(),
                  0,
                  0,
                  score.scale(),
                  0,
                  q.stride(0),
                  q.stride(1),
                  out.stride(0),
                  out.stride(1),
                  heads,
                  1,
                  (s.nope() + s.value()) * kvB.tensor().stride(0),
                  kvB.tensor().stride(0));
          firstTile[i + 1] += heads;
          reserveWorkspace(i, true);
        }
      }
      if (firstTile[sequences] > 0) {
        lses.floats((long) plan.tokens() * heads);
        runTiles();
      }
    }

    @Override
    public void run(int tile, int worker) {
      int i = sequenceOf(tile);
      int h = tile - firstTile[i];
      int first = plan.firstToken(i);
      int n = plan.queryTokens(i);
      kernels.attendDecompressed(
          params[i],
          plan.cacheParams(),
          q.segmentFrom(first),
          kvB.tensor().segment(),
          MemorySegment.NULL,
          plan.layerBase(layer),
          plan.pageTable(i),
          slopes,
          h,
          h + 1,
          0,
          n,
          out.segmentFrom(first),
          lses.floatView((long) first * heads, (long) n * heads),
          workspace(worker));
    }
  }

  /** The parts of a sequence, a head to a tile. */
  private final class Merge implements Workers.Task {
    private MergeParams params;
    private long at;
    private MemorySegment out;
    private MemorySegment lse;

    void run(DecodePlan plan, int i, long at, Tensor out, Tensor lse) {
      int parts = splits(plan, i);
      int n = plan.queryTokens(i);
      int heads = (int) out.dim(1);
      int latent = (int) out.dim(2);
      long rows = (long) n * heads;
      if (params == null
          || params.parts() != parts
          || params.tokens() != n
          || params.heads() != heads
          || params.width() != latent
          || params.outTokenStride() != out.stride(0)
          || params.outHeadStride() != out.stride(1)
          || params.lseTokenStride() != lse.stride(0)) {
        params =
            new MergeParams(
                parts,
                n,
                heads,
                latent,
                rows * latent,
                (long) heads * latent,
                latent,
                rows,
                heads,
                1,
                out.stride(0),
                out.stride(1),
                lse.stride(0),
                1);
      }
      this.at = at;
      this.out = out.segmentFrom(plan.firstToken(i));
      this.lse = lse.segmentFrom(plan.firstToken(i));
      workers.run(heads, parts * rows * latent, this);
    }

    @Override
    public void run(int h, int worker) {
      long rows = (long) params.parts() * params.tokens() * params.heads();
      kernels.merge(
          params,
          partials.floatView(at * params.width(), rows * params.width()),
          partialLses.floatView(at, rows),
          0,
          params.tokens(),
          h,
          h + 1,
          out,
          lse);
    }
  }

  private static boolean isAbsorbed(DecodePlan plan, int i) {
    return plan.form(i) == AttentionForm.ABSORBED;
  }

  private static int splits(DecodePlan plan, int i) {
    return Math.max(1, (plan.kvTokens(i) + plan.splitLength(i) - 1) / plan.splitLength(i));
  }

  @Override
  public void close() {
    absorbed.close();
    latents.close();
    lses.close();
    partials.close();
    partialLses.close();
    workspaces.close();
  }
}
