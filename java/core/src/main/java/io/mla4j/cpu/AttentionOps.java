package io.mla4j.cpu;

import io.mla4j.AttentionForm;
import io.mla4j.AttentionScore;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.Weight;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Attention as tiles: (sequence, head block, query block, split) in the absorbed form, (sequence,
 * head) in the decompressed form. Used under the lock of {@link Workers}.
 */
final class AttentionOps implements AutoCloseable {
  /**
   * Heads that share the rows that a tile has widened. Fixed, so that bits do not depend on the
   * threads.
   */
  private static final int HEAD_BLOCK = 64;

  /** (query, head) pairs of a tile in the absorbed form: bounds the workspace. */
  private static final int TILE_ROWS = 256;

  private final TileKernels kernels;
  private final Workers workers;
  private final Buffer absorbed;
  private final Buffer latents;
  private final Buffer lses;
  private final Buffer partials;
  private final Buffer partialLses;
  private final Buffer workspaces;

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

  MlaShape checkAbsorb(Tensor q, Weight kvB, Tensor out) {
    Checks.requireFloats("q", q, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireMatrix("kvB", kvB);
    Checks.requireOutput("out", out, TensorType.F32, q.dim(0), q.dim(1), out.dim(2));
    int heads = Checks.positiveInt("heads", q.dim(1));
    int latent = Checks.toInt("latent", kvB.tensor().dim(1));
    int rope = Checks.toInt("rope", out.dim(2) - latent);
    int nope = Checks.toInt("nope", q.dim(2) - rope);
    int value = Checks.toInt("value", kvB.tensor().dim(0) / heads - nope);
    MlaShape shape = new MlaShape(heads, latent, rope, nope, value);
    Checks.require("kvB", kvB, (long) heads * (nope + value), latent);
    return shape;
  }

  MlaShape checkExpand(Tensor x, Weight kvB, Tensor out) {
    Checks.requireFloats("x", x, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireMatrix("kvB", kvB);
    Checks.requireOutput("out", out, TensorType.F32, x.dim(0), x.dim(1), out.dim(2));
    int heads = Checks.positiveInt("heads", x.dim(1));
    int latent = Checks.toInt("latent", x.dim(2));
    int value = Checks.toInt("value", out.dim(2));
    int nope = Checks.toInt("nope", kvB.tensor().dim(0) / heads - value);
    MlaShape shape = new MlaShape(heads, latent, 0, nope, value);
    Checks.require("kvB", kvB, (long) heads * (nope + value), latent);
    return shape;
  }

  /** out[t, h] = [W_UK[h]^T q_nope[t, h] | q_rope[t, h]]. */
  void absorb(MlaShape s, Tensor q, Weight kvB, ComputeType compute, Tensor out) {
    HeadLinearParams params =
        new HeadLinearParams(
            compute,
            kvB.tensor().type(),
            (int) q.dim(0),
            s.heads(),
            s.nope(),
            s.latent(),
            true,
            0,
            0,
            q.stride(0),
            q.stride(1),
            out.stride(0),
            out.stride(1),
            (s.nope() + s.value()) * kvB.tensor().stride(0),
            kvB.tensor().stride(0));
    workers.run(
        s.heads(),
        q.dim(0) * s.heads() * s.nope() * s.latent(),
        (h, _) -> {
          headLinear(params, h, q.segment(), kvB.tensor().segment(), out.segment());
          for (long t = 0; t < q.dim(0); t++) {
            MemorySegment.copy(
                q.segment(),
                ValueLayout.JAVA_FLOAT_UNALIGNED,
                4 * (t * q.stride(0) + h * q.stride(1) + s.nope()),
                out.segment(),
                ValueLayout.JAVA_FLOAT_UNALIGNED,
                4 * (t * out.stride(0) + h * out.stride(1) + s.latent()),
                s.rope());
          }
        });
  }

  /** out[t, h] = W_UV[h] x[t, h]. */
  void expand(MlaShape s, Tensor x, Weight kvB, ComputeType compute, Tensor out) {
    HeadLinearParams params =
        new HeadLinearParams(
            compute,
            kvB.tensor().type(),
            (int) x.dim(0),
            s.heads(),
            s.latent(),
            s.value(),
            false,
            0,
            0,
            x.stride(0),
            x.stride(1),
            out.stride(0),
            out.stride(1),
            (s.nope() + s.value()) * kvB.tensor().stride(0),
            kvB.tensor().stride(0));
    MemorySegment values =
        kvB.tensor()
            .segment()
            .asSlice(s.nope() * kvB.tensor().stride(0) * kvB.tensor().type().bytes());
    workers.run(
        s.heads(),
        x.dim(0) * s.heads() * s.latent() * s.value(),
        (h, _) -> headLinear(params, h, x.segment(), values, out.segment()));
  }

  private void headLinear(
      HeadLinearParams p, int h, MemorySegment x, MemorySegment weight, MemorySegment y) {
    kernels.headLinear(p, x, weight, MemorySegment.NULL, h, h + 1, 0, p.tokens(), y);
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
      Tensor qa =
          Tensor.of(
              absorbed.floats((long) plan.tokens() * s.heads() * s.cached()),
              TensorType.F32,
              plan.tokens(),
              s.heads(),
              s.cached());
      Tensor latent =
          Tensor.of(
              latents.floats((long) plan.tokens() * s.heads() * s.latent()),
              TensorType.F32,
              plan.tokens(),
              s.heads(),
              s.latent());
      absorb(s, q.slice(absorbedFrom, n), kvB, compute, qa.slice(absorbedFrom, n));
      attendAbsorbed(plan, layer, qa, score, compute, latent, null, true);
      for (int i = 0; i < plan.sequences(); i++) {
        if (isAbsorbed(plan, i)) {
          int first = plan.firstToken(i);
          int tokens = plan.queryTokens(i);
          expand(s, latent.slice(first, tokens), kvB, compute, out.slice(first, tokens));
        }
      }
    }
    attendDecompressed(plan, layer, q, kvB, score, compute, out);
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
    int heads = (int) q.dim(1);
    int latent = (int) out.dim(2);
    int sequences = plan.sequences();
    Tensor lseOut =
        lse != null
            ? lse
            : Tensor.of(
                lses.floats((long) plan.tokens() * heads), TensorType.F32, plan.tokens(), heads);
    int headBlocks = (heads + HEAD_BLOCK - 1) / HEAD_BLOCK;
    int queryBlock = Math.max(1, TILE_ROWS / Math.min(heads, HEAD_BLOCK));
    int[] firstTile = new int[sequences + 1];
    long[] partialAt = new long[sequences + 1];
    AttentionParams[] params = new AttentionParams[sequences];
    long workspace = 0;
    for (int i = 0; i < sequences; i++) {
      boolean included = !chosenOnly || isAbsorbed(plan, i);
      int splits = splits(plan, i);
      boolean partial = splits > 1;
      int n = plan.queryTokens(i);
      params[i] =
          new AttentionParams(
              compute,
              heads,
              n,
              plan.kvTokens(i),
              true,
              0,
              0,
              TensorType.F32,
              0,
              0,
              score.scale(),
              0,
              q.stride(0),
              q.stride(1),
              partial ? (long) heads * latent : out.stride(0),
              partial ? latent : out.stride(1),
              partial ? heads : lseOut.stride(0),
              1,
              0,
              0);
      int tiles = included ? headBlocks * ((n + queryBlock - 1) / queryBlock) * splits : 0;
      firstTile[i + 1] = firstTile[i] + tiles;
      partialAt[i + 1] = partialAt[i] + (included && partial ? (long) splits * n * heads : 0);
      if (included) {
        workspace =
            Math.max(workspace, kernels.attentionWorkspace(params[i], plan.cacheParams(), false));
      }
    }
    MemorySegment partial = partials.floats(partialAt[sequences] * latent);
    MemorySegment partialLse = partialLses.floats(partialAt[sequences]);
    long perWorker = Buffer.roundUp(workspace);
    MemorySegment scratch = workspaces.bytes(perWorker * workers.threads());
    MemorySegment slopes =
        score.alibiSlopes() == null ? MemorySegment.NULL : score.alibiSlopes().segment();
    workers.run(
        firstTile[sequences],
        (tile, worker) -> {
          int i = 0;
          while (tile >= firstTile[i + 1]) {
            i++;
          }
          int rest = tile - firstTile[i];
          int splits = splits(plan, i);
          int split = rest % splits;
          int headBegin = rest / splits % headBlocks * HEAD_BLOCK;
          int queryBegin = rest / splits / headBlocks * queryBlock;
          int n = plan.queryTokens(i);
          int kvBegin = split * plan.splitLength(i);
          long at = partialAt[i] + (long) split * n * heads;
          int first = plan.firstToken(i);
          kernels.attendAbsorbed(
              params[i],
              plan.cacheParams(),
              CpuOps.from(q, first),
              plan.layerBase(layer),
              plan.pageTable(i),
              slopes,
              headBegin,
              Math.min(heads, headBegin + HEAD_BLOCK),
              queryBegin,
              Math.min(n, queryBegin + queryBlock),
              kvBegin,
              splits == 1
                  ? plan.kvTokens(i)
                  : Math.min(plan.kvTokens(i), kvBegin + plan.splitLength(i)),
              splits == 1 ? CpuOps.from(out, first) : partial.asSlice(4 * at * latent),
              splits == 1 ? CpuOps.from(lseOut, first) : partialLse.asSlice(4 * at),
              scratch.asSlice(worker * perWorker, perWorker));
        });
    for (int i = 0; i < sequences; i++) {
      if (firstTile[i + 1] > firstTile[i] && splits(plan, i) > 1) {
        merge(plan, i, heads, latent, partialAt[i], partial, partialLse, out, lseOut);
      }
    }
  }

  private void merge(
      DecodePlan plan,
      int i,
      int heads,
      int latent,
      long at,
      MemorySegment partial,
      MemorySegment partialLse,
      Tensor out,
      Tensor lse) {
    int n = plan.queryTokens(i);
    int first = plan.firstToken(i);
    long rows = (long) n * heads;
    MergeParams params =
        new MergeParams(
            splits(plan, i),
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
    workers.run(
        heads,
        (long) params.parts() * n * heads * latent,
        (h, _) ->
            kernels.merge(
                params,
                partial.asSlice(4 * at * latent),
                partialLse.asSlice(4 * at),
                0,
                n,
                h,
                h + 1,
                CpuOps.from(out, first),
                CpuOps.from(lse, first)));
  }

  private void attendDecompressed(
      DecodePlan plan,
      int layer,
      Tensor q,
      Weight kvB,
      AttentionScore score,
      ComputeType compute,
      Tensor out) {
    MlaShape s = plan.shape();
    CacheParams cache = plan.cacheParams();
    int heads = s.heads();
    int sequences = plan.sequences();
    int[] firstTile = new int[sequences + 1];
    AttentionParams[] params = new AttentionParams[sequences];
    long workspace = 0;
    for (int i = 0; i < sequences; i++) {
      firstTile[i + 1] = firstTile[i];
      if (!isAbsorbed(plan, i)) {
        params[i] =
            new AttentionParams(
                compute,
                heads,
                plan.queryTokens(i),
                plan.kvTokens(i),
                true,
                s.nope(),
                s.value(),
                kvB.tensor().type(),
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
        firstTile[i + 1] += plan.queryTokens(i) == 0 ? 0 : heads;
        workspace = Math.max(workspace, kernels.attentionWorkspace(params[i], cache, true));
      }
    }
    if (firstTile[sequences] == 0) {
      return;
    }
    MemorySegment lse = lses.floats((long) plan.tokens() * heads);
    long perWorker = Buffer.roundUp(workspace);
    MemorySegment scratch = workspaces.bytes(perWorker * workers.threads());
    MemorySegment slopes =
        score.alibiSlopes() == null ? MemorySegment.NULL : score.alibiSlopes().segment();
    workers.run(
        firstTile[sequences],
        (tile, worker) -> {
          int i = 0;
          while (tile >= firstTile[i + 1]) {
            i++;
          }
          int h = tile - firstTile[i];
          int first = plan.firstToken(i);
          kernels.attendDecompressed(
              params[i],
              cache,
              CpuOps.from(q, first),
              kvB.tensor().segment(),
              MemorySegment.NULL,
              plan.layerBase(layer),
              plan.pageTable(i),
              slopes,
              h,
              h + 1,
              0,
              plan.queryTokens(i),
              CpuOps.from(out, first),
              lse.asSlice(4L * first * heads),
              scratch.asSlice(worker * perWorker, perWorker));
        });
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
