package io.mla4j.cpu;

import io.mla4j.AttentionScore;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;
import io.mla4j.Rotation;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.Weight;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.Ops;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The operations on a CPU: checks, then tiles for {@link Workers}. The larger ones live in {@link
 * LinearOps}, {@link AttentionOps} and {@link MixtureOps}.
 */
final class CpuOps implements Ops, AutoCloseable {
  /** Elements of an element-wise tile: enough that handing it out costs little. */
  private static final int TILE_ELEMENTS = 1 << 15;

  private final TileKernels kernels;
  private final Workers workers;
  private final LinearOps linear;
  private final AttentionOps attention;
  private final MixtureOps mixture;

  CpuOps(TileKernels kernels, CpuDevice.Allocator allocator, Workers workers) {
    this.kernels = kernels;
    this.workers = workers;
    this.linear = new LinearOps(kernels, allocator, workers);
    this.attention = new AttentionOps(kernels, allocator, workers);
    this.mixture = new MixtureOps(kernels, allocator, workers, linear);
  }

  @Override
  public void embed(Weight table, Tensor ids, float scale, Tensor out) {
    Checks.requireFloats("out", out, 2);
    Checks.requireOutput("out", out, TensorType.F32, out.dim(0), out.dim(1));
    Checks.require("ids", ids, TensorType.I32, out.dim(0));
    Checks.requireMatrix("table", table);
    Checks.require("table", table, table.tensor().dim(0), out.dim(1));
    int vocabulary = Checks.toInt("vocabulary", table.tensor().dim(0));
    int width = Checks.toInt("width", out.dim(1));
    for (int i = 0; i < ids.dim(0); i++) {
      int id = Stored.readInt(ids.segment(), i);
      Checks.require(
          id >= 0 && id < vocabulary,
          "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary - 1));
    }
    rows(
        out,
        (begin, count) ->
            kernels.embed(
                table.tensor().type(),
                table.tensor().segment(),
                table.tensor().stride(0),
                vocabulary,
                ids.segment().asSlice((long) begin * Integer.BYTES),
                count,
                width,
                scale,
                from(out, begin),
                out.stride(0)));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.requireOutput("out", out, TensorType.F32, x.dim(0), x.dim(1));
    Checks.require("weight", weight, TensorType.F32, x.dim(1));
    rows(
        out,
        (begin, count) ->
            kernels.rmsNorm(
                from(x, begin),
                x.stride(0),
                weight.segment(),
                eps,
                count,
                (int) x.dim(1),
                from(out, begin),
                out.stride(0)));
  }

  @Override
  public void linear(Tensor x, List<Projection> projections, ComputeType compute) {
    linear.check(x, projections);
    workers.exclusively(() -> linear.run(x, projections, compute));
  }

  @Override
  public void add(Tensor x, Tensor residual, float scale, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.require("residual", residual, TensorType.F32, x.dim(0), x.dim(1));
    Checks.requireOutput("out", out, TensorType.F32, x.dim(0), x.dim(1));
    rows(
        out,
        (begin, count) ->
            kernels.add(
                from(x, begin),
                x.stride(0),
                from(residual, begin),
                residual.stride(0),
                scale,
                count,
                (int) x.dim(1),
                from(out, begin),
                out.stride(0)));
  }

  @Override
  public void rotate(Tensor q, Rotation rotation, Tensor out) {
    Checks.requireFloats("q", q, 3);
    Checks.requireOutput("out", out, TensorType.F32, q.dim(0), q.dim(1), q.dim(2));
    int rope = checkRotation(rotation, q.dim(0));
    Checks.require(
        rope <= q.dim(2), "rotation turns " + rope + " elements, but q has only " + q.dim(2));
    RopeParams params =
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
    tokens(
        q.dim(0),
        q.dim(1) * q.dim(2),
        (begin, end) ->
            kernels.rope(
                params,
                q.segment(),
                rotation.cosines().segment(),
                rotation.sines().segment(),
                begin,
                end,
                out.segment()));
  }

  @Override
  public void absorb(Tensor q, Weight kvB, ComputeType compute, Tensor out) {
    MlaShape shape = attention.checkAbsorb(q, kvB, out);
    workers.exclusively(() -> attention.absorb(shape, q, kvB, compute, out));
  }

  @Override
  public void expand(Tensor x, Weight kvB, ComputeType compute, Tensor out) {
    MlaShape shape = attention.checkExpand(x, kvB, out);
    workers.exclusively(() -> attention.expand(shape, x, kvB, compute, out));
  }

  @Override
  public void appendLatent(
      DecodePlan plan,
      int layer,
      Tensor latentAndKey,
      Tensor normWeight,
      float eps,
      Rotation rotation) {
    int latent = plan.cacheParams().layout().latent();
    int rope = plan.cacheParams().layout().rope();
    Checks.require("latentAndKey", latentAndKey, TensorType.F32, plan.tokens(), latent + rope);
    if (normWeight != null) {
      Checks.require("normWeight", normWeight, TensorType.F32, latent);
    }
    int rotated = checkRotation(rotation, plan.tokens());
    Checks.require(
        rotated == rope, "rotation turns " + rotated + " elements, but the cache has " + rope);
    requireLayer(plan, layer);
    MemorySegment weight = normWeight == null ? MemorySegment.NULL : normWeight.segment();
    try (DecodePlan.Lease _ = plan.acquire()) {
      for (int i = 0; i < plan.sequences(); i++) {
        int first = plan.firstToken(i);
        int n = plan.queryTokens(i);
        int sequence = i;
        AppendParams params =
            new AppendParams(
                n, plan.kvTokens(i) - n, rotation.layout(), eps, latentAndKey.stride(0));
        long angles = (long) first * (rope / 2) * Float.BYTES;
        tokens(
            n,
            latent + rope,
            (begin, end) ->
                kernels.append(
                    params,
                    plan.cacheParams(),
                    from(latentAndKey, first),
                    weight,
                    rotation.cosines().segment().asSlice(angles),
                    rotation.sines().segment().asSlice(angles),
                    plan.pageTable(sequence),
                    begin,
                    end,
                    plan.layerBase(layer)));
      }
    }
  }

  @Override
  public void attendAbsorbed(
      DecodePlan plan,
      int layer,
      Tensor q,
      AttentionScore score,
      ComputeType compute,
      Tensor out,
      Tensor lse) {
    int latent = plan.cacheParams().layout().latent();
    int rope = plan.cacheParams().layout().rope();
    Checks.requireFloats("q", q, 3);
    Checks.positiveInt("heads", q.dim(1));
    Checks.require("q", q, TensorType.F32, plan.tokens(), q.dim(1), latent + rope);
    Checks.requireOutput("out", out, TensorType.F32, plan.tokens(), q.dim(1), latent);
    if (lse != null) {
      Checks.requireOutput("lse", lse, TensorType.F32, plan.tokens(), q.dim(1));
    }
    checkScore(score, q.dim(1));
    requireLayer(plan, layer);
    try (DecodePlan.Lease _ = plan.acquire()) {
      workers.exclusively(
          () -> attention.attendAbsorbed(plan, layer, q, score, compute, out, lse, false));
    }
  }

  @Override
  public void attend(
      DecodePlan plan,
      int layer,
      Tensor q,
      Weight kvB,
      AttentionScore score,
      ComputeType compute,
      Tensor out) {
    MlaShape shape = plan.shape();
    Checks.require("q", q, TensorType.F32, plan.tokens(), shape.heads(), shape.query());
    Checks.requireOutput("out", out, TensorType.F32, plan.tokens(), shape.heads(), shape.value());
    Checks.require(
        "kvB", kvB, (long) shape.heads() * (shape.nope() + shape.value()), shape.latent());
    checkScore(score, shape.heads());
    requireLayer(plan, layer);
    try (DecodePlan.Lease _ = plan.acquire()) {
      workers.exclusively(() -> attention.attend(plan, layer, q, kvB, score, compute, out));
    }
  }

  @Override
  public void merge(Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse) {
    Checks.requireFloats("partialOut", partialOut, 4);
    Checks.require(
        "partialLse",
        partialLse,
        TensorType.F32,
        partialOut.dim(0),
        partialOut.dim(1),
        partialOut.dim(2));
    Checks.requireOutput(
        "out", out, TensorType.F32, partialOut.dim(1), partialOut.dim(2), partialOut.dim(3));
    if (lse != null) {
      Checks.requireOutput("lse", lse, TensorType.F32, partialOut.dim(1), partialOut.dim(2));
    }
    MergeParams params =
        new MergeParams(
            (int) partialOut.dim(0),
            (int) partialOut.dim(1),
            (int) partialOut.dim(2),
            (int) partialOut.dim(3),
            partialOut.stride(0),
            partialOut.stride(1),
            partialOut.stride(2),
            partialLse.stride(0),
            partialLse.stride(1),
            partialLse.stride(2),
            out.stride(0),
            out.stride(1),
            lse == null ? 0 : lse.stride(0),
            lse == null ? 0 : lse.stride(1));
    tokens(
        params.tokens(),
        (long) params.parts() * params.heads() * params.width(),
        (begin, end) ->
            kernels.merge(
                params,
                partialOut.segment(),
                partialLse.segment(),
                begin,
                end,
                0,
                params.heads(),
                out.segment(),
                lse == null ? MemorySegment.NULL : lse.segment()));
  }

  @Override
  public void feedForward(Tensor x, FeedForward weights, ComputeType compute, Tensor out) {
    mixture.checkFeedForward("weights", weights, x, out);
    workers.exclusively(() -> mixture.feedForward(x, weights, compute, out));
  }

  @Override
  public void mixture(Tensor x, Mixture weights, ComputeType compute, Tensor out) {
    mixture.checkMixture(weights, x, out);
    workers.exclusively(() -> mixture.mixture(x, weights, compute, out));
  }

  @Override
  public void close() {
    linear.close();
    attention.close();
    mixture.close();
  }

  /** The memory of rows {@code row ..} of a tensor. */
  static MemorySegment from(Tensor tensor, long row) {
    return tensor.segment().asSlice(row * tensor.stride(0) * tensor.type().bytes());
  }

  private static int checkRotation(Rotation rotation, long tokens) {
    Checks.require(rotation != null, "rotation is null");
    Checks.requireFloats("rotation.cosines", rotation.cosines(), 2);
    long pairs = rotation.cosines().dim(1);
    Checks.require("rotation.cosines", rotation.cosines(), TensorType.F32, tokens, pairs);
    Checks.require("rotation.sines", rotation.sines(), TensorType.F32, tokens, pairs);
    Checks.require(
        tokens < 2 || rotation.cosines().stride(0) == pairs && rotation.sines().stride(0) == pairs,
        "rotation has gaps between its rows, but must be contiguous");
    return Checks.toInt("rotation", 2 * pairs);
  }

  private static void checkScore(AttentionScore score, long heads) {
    Checks.require(score != null, "score is null");
    if (score.alibiSlopes() != null) {
      Checks.require("score.alibiSlopes", score.alibiSlopes(), TensorType.F32, heads);
    }
  }

  private static void requireLayer(DecodePlan plan, int layer) {
    if (layer < 0 || layer >= plan.layers()) {
      throw new InvalidArgumentException(
          "layer is " + layer + ", but the cache has layers 0.." + (plan.layers() - 1));
    }
  }

  private void rows(Tensor out, RowTile tile) {
    tokens(out.dim(0), out.dim(1), (begin, end) -> tile.run(begin, end - begin));
  }

  /** Cuts n rows of {@code width} elements into tiles. */
  private void tokens(long n, long width, RowTile tile) {
    int rows = (int) Math.max(1, TILE_ELEMENTS / Math.max(1, width));
    int tiles = (int) ((n + rows - 1) / rows);
    workers.run(tiles, (i, _) -> tile.run(i * rows, (int) Math.min(n, (i + 1L) * rows)));
  }

  @FunctionalInterface
  private interface RowTile {
    void run(int begin, int end);
  }
}
