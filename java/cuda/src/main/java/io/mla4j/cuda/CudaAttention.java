package io.mla4j.cuda;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.cuda.CudaScratch.RebuildParams;
import io.mla4j.cuda.CudaScratch.StepParams;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Weight;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.RopeParams;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Attention in both forms, of runs of sequences. Used in turn. */
final class CudaAttention implements AutoCloseable {
  private static final MemorySegment NULL = MemorySegment.NULL;

  /** Plans that are kept: a step has one for each shape of its layers. */
  private static final int PLANS = 4;

  private final CudaDevice device;
  private final CudaKernels kernels;
  private final List<CudaPlan> plans = new ArrayList<>();
  private final CudaBuffer workspace;
  private final CudaBuffer absorbed;
  private final CudaBuffer latents;

  CudaAttention(CudaDevice device) {
    this.device = device;
    this.kernels = device.kernels();
    workspace = new CudaBuffer(device);
    absorbed = new CudaBuffer(device);
    latents = new CudaBuffer(device);
  }

  /**
   * Rows of a tensor (n, heads, ..): where they begin, and the elements between tokens and heads.
   */
  record Rows(MemorySegment memory, long tokenStride, long headStride) {}

  /** The plan on the device: the one of the last call, as a rule. */
  CudaPlan planOf(DecodePlan plan, int heads, boolean absorbed) {
    for (CudaPlan made : plans) {
      if (made.isFor(plan, heads, absorbed)) {
        return made;
      }
    }
    CudaPlan next = room(plan, heads, absorbed);
    plans.add(next);
    next.fill(plan, heads, absorbed);
    return next;
  }

  /**
   * The plan of the step before makes room, whose memory is large enough as a rule and where a
   * captured step finds it again, else the one that was made first.
   */
  private CudaPlan room(DecodePlan plan, int heads, boolean absorbed) {
    for (CudaPlan made : plans) {
      if (made.isLike(plan, heads, absorbed)) {
        plans.remove(made);
        return made;
      }
    }
    return plans.size() < PLANS ? new CudaPlan(device) : plans.removeFirst();
  }

  /** out[t, h] = [W_UK[h]^T q_nope[t, h] | q_rope[t, h]]. */
  void absorb(
      MlaShape s,
      int tokens,
      MemorySegment q,
      long qTokenStride,
      long qHeadStride,
      Weight kvB,
      ComputeType compute,
      MemorySegment out,
      long outTokenStride,
      long outHeadStride) {
    if (tokens == 0) {
      return;
    }
    kernels.headLinear(
        device.stream(),
        new HeadLinearParams(
            compute,
            kvB.tensor().format(),
            tokens,
            s.heads(),
            s.nope(),
            s.latent(),
            true,
            0,
            0,
            qTokenStride,
            qHeadStride,
            outTokenStride,
            outHeadStride,
            headRows(s) * kvB.tensor().stride(0),
            kvB.tensor().stride(0)),
        q,
        device.resolve("kvB", kvB.tensor().segment()),
        out);
    if (s.rope() > 0) {
      // A rotation of nothing copies.
      kernels.rope(
          device.stream(),
          new RopeParams(
              tokens,
              s.heads(),
              s.rope(),
              0,
              RopeLayout.PAIRS,
              qTokenStride,
              qHeadStride,
              outTokenStride,
              outHeadStride),
          q.asSlice(4L * s.nope()),
          NULL,
          NULL,
          out.asSlice(4L * s.latent()));
    }
  }

  /** out[t, h] = W_UV[h] x[t, h]. */
  void expand(
      MlaShape s,
      int tokens,
      MemorySegment x,
      long xTokenStride,
      long xHeadStride,
      Weight kvB,
      ComputeType compute,
      MemorySegment out,
      long outTokenStride,
      long outHeadStride) {
    if (tokens == 0) {
      return;
    }
    long firstRow = kvB.format().bytes(s.nope() * kvB.tensor().stride(0));
    kernels.headLinear(
        device.stream(),
        new HeadLinearParams(
            compute,
            kvB.tensor().format(),
            tokens,
            s.heads(),
            s.latent(),
            s.value(),
            false,
            0,
            0,
            xTokenStride,
            xHeadStride,
            outTokenStride,
            outHeadStride,
            headRows(s) * kvB.tensor().stride(0),
            kvB.tensor().stride(0)),
        x,
        device.resolve("kvB", kvB.tensor().segment()).asSlice(firstRow),
        out);
  }

  /** Rows of kv_b for a head. */
  private static long headRows(MlaShape s) {
    return (long) s.nope() + s.value();
  }

  /** Over absorbed queries. */
  void attendAbsorbed(
      DecodePlan plan,
      CudaPlan made,
      CudaPlan.Run run,
      MemorySegment cache,
      Rows q,
      AttentionScore score,
      ComputeType compute,
      Rows out,
      Rows lse) {
    if (run.tokens() == 0) {
      return;
    }
    StepParams params = params(made, run, score, compute, q, out, lse);
    kernels.attendAbsorbed(
        device.stream(),
        params,
        plan.cacheParams(),
        run.plan(),
        q.memory(),
        cache,
        run.pageTable(),
        slopes(score),
        out.memory(),
        lse == null ? NULL : lse.memory(),
        workspace.bytes(kernels.attentionWorkspace(params, plan.cacheParams())));
  }

  /** Over rotated queries: they are absorbed, and the results expanded. */
  void attendThroughLatents(
      DecodePlan plan,
      CudaPlan made,
      CudaPlan.Run run,
      MemorySegment cache,
      Rows q,
      Weight kvB,
      AttentionScore score,
      ComputeType compute,
      Rows out) {
    MlaShape s = plan.shape();
    long rows = (long) run.tokens() * s.heads();
    long width = s.cached();
    MemorySegment queries = absorbed.floats(rows * width);
    absorb(
        s,
        run.tokens(),
        q.memory(),
        q.tokenStride(),
        q.headStride(),
        kvB,
        compute,
        queries,
        s.heads() * width,
        width);
    long latent = s.latent();
    MemorySegment sums = latents.floats(rows * latent);
    attendAbsorbed(
        plan,
        made,
        run,
        cache,
        new Rows(queries, s.heads() * width, width),
        score,
        compute,
        new Rows(sums, s.heads() * latent, latent),
        null);
    expand(
        s,
        run.tokens(),
        sums,
        s.heads() * latent,
        latent,
        kvB,
        compute,
        out.memory(),
        out.tokenStride(),
        out.headStride());
  }

  /** Over rotated queries: keys and values are rebuilt, a piece of each sequence at a time. */
  void attendDecompressed(
      DecodePlan plan,
      CudaPlan made,
      CudaPlan.Run run,
      MemorySegment cache,
      Rows q,
      Weight kvB,
      AttentionScore score,
      ComputeType compute,
      Rows out) {
    if (run.tokens() == 0) {
      return;
    }
    MlaShape s = plan.shape();
    StepParams params = params(made, run, score, compute, q, out, null);
    RebuildParams rebuild =
        new RebuildParams(
            s.nope(),
            s.value(),
            kvB.tensor().format(),
            headRows(s) * kvB.tensor().stride(0),
            kvB.tensor().stride(0));
    kernels.attendDecompressed(
        device.stream(),
        params,
        rebuild,
        plan.cacheParams(),
        run.plan(),
        run.kvTokens(),
        q.memory(),
        device.resolve("kvB", kvB.tensor().segment()),
        cache,
        run.pageTable(),
        slopes(score),
        out.memory(),
        NULL,
        workspace.bytes(kernels.decompressedWorkspace(params, rebuild, plan.cacheParams())));
  }

  private StepParams params(
      CudaPlan made,
      CudaPlan.Run run,
      AttentionScore score,
      ComputeType compute,
      Rows q,
      Rows out,
      Rows lse) {
    CudaKernels.Info info = device.info();
    return new StepParams(
        compute,
        made.heads(),
        run.sequences(),
        run.tokens(),
        run.queries(),
        run.splits(),
        made.pageTableStride(),
        info.multiprocessors(),
        info.sharedBytes(),
        score.scale(),
        q.tokenStride(),
        q.headStride(),
        out.tokenStride(),
        out.headStride(),
        lse == null ? 0 : lse.tokenStride(),
        lse == null ? 0 : lse.headStride());
  }

  private MemorySegment slopes(AttentionScore score) {
    return score.alibiSlopes() == null
        ? NULL
        : device.resolve("score.alibiSlopes", score.alibiSlopes().segment());
  }

  @Override
  public void close() {
    plans.forEach(CudaPlan::close);
    plans.clear();
    workspace.close();
    absorbed.close();
    latents.close();
  }
}
