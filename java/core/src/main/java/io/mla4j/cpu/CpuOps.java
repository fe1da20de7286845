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
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.Ops;
import io.mla4j.spi.TileKernels;
import java.util.List;

/**
 * The operations on a CPU: checks, then the caller's turn, then tiles for {@link Workers}, which
 * {@link RowOps}, {@link LinearOps}, {@link AttentionOps} and {@link MixtureOps} cut.
 */
final class CpuOps implements Ops, AutoCloseable {
  private final Workers workers;
  private final RowOps rows;
  private final LinearOps linear;
  private final AttentionOps attention;
  private final MixtureOps mixture;

  CpuOps(TileKernels kernels, CpuDevice.Allocator allocator, Workers workers) {
    this.workers = workers;
    this.rows = new RowOps(kernels, workers);
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
    Checks.toInt("width", out.dim(1));
    for (int i = 0; i < ids.dim(0); i++) {
      int id = Stored.readInt(ids.segment(), i);
      if (id < 0 || id >= vocabulary) {
        throw new InvalidArgumentException(
            "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary - 1));
      }
    }
    if (!workers.enter()) {
      workers.handOver(() -> embed(table, ids, scale, out));
      return;
    }
    try {
      rows.embed(table, ids, scale, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.requireOutput("out", out, TensorType.F32, x.dim(0), x.dim(1));
    Checks.require("weight", weight, TensorType.F32, x.dim(1));
    if (!workers.enter()) {
      workers.handOver(() -> rmsNorm(x, weight, eps, out));
      return;
    }
    try {
      rows.rmsNorm(x, weight, eps, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void linear(Tensor x, List<Projection> projections, ComputeType compute) {
    linear.check(x, projections);
    if (!workers.enter()) {
      workers.handOver(() -> linear(x, projections, compute));
      return;
    }
    try {
      linear.run(x, projections, compute);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void add(Tensor x, Tensor residual, float scale, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.require("residual", residual, TensorType.F32, x.dim(0), x.dim(1));
    Checks.requireOutput("out", out, TensorType.F32, x.dim(0), x.dim(1));
    if (!workers.enter()) {
      workers.handOver(() -> add(x, residual, scale, out));
      return;
    }
    try {
      rows.add(x, residual, scale, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void rotate(Tensor q, Rotation rotation, Tensor out) {
    Checks.requireFloats("q", q, 3);
    Checks.requireOutput("out", out, TensorType.F32, q.dim(0), q.dim(1), q.dim(2));
    int rope = checkRotation(rotation, q.dim(0));
    if (rope > q.dim(2)) {
      throw new InvalidArgumentException(
          "rotation turns " + rope + " elements, but q has only " + q.dim(2));
    }
    if (!workers.enter()) {
      workers.handOver(() -> rotate(q, rotation, out));
      return;
    }
    try {
      rows.rotate(q, rotation, rope, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void absorb(Tensor q, Weight kvB, ComputeType compute, Tensor out) {
    MlaShape shape = attention.checkAbsorb(q, kvB, out);
    if (!workers.enter()) {
      workers.handOver(() -> absorb(q, kvB, compute, out));
      return;
    }
    try {
      attention.absorb(shape, q, kvB, compute, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void expand(Tensor x, Weight kvB, ComputeType compute, Tensor out) {
    MlaShape shape = attention.checkExpand(x, kvB, out);
    if (!workers.enter()) {
      workers.handOver(() -> expand(x, kvB, compute, out));
      return;
    }
    try {
      attention.expand(shape, x, kvB, compute, out);
    } finally {
      workers.leave();
    }
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
    if (rotated != rope) {
      throw new InvalidArgumentException(
          "rotation turns " + rotated + " elements, but the cache has " + rope);
    }
    requireLayer(plan, layer);
    if (!workers.enter()) {
      workers.handOver(() -> appendLatent(plan, layer, latentAndKey, normWeight, eps, rotation));
      return;
    }
    try (DecodePlan.Lease _ = plan.acquire()) {
      rows.append(plan, layer, latentAndKey, normWeight, eps, rotation);
    } finally {
      workers.leave();
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
    if (!workers.enter()) {
      workers.handOver(() -> attendAbsorbed(plan, layer, q, score, compute, out, lse));
      return;
    }
    try (DecodePlan.Lease _ = plan.acquire()) {
      attention.attendAbsorbed(plan, layer, q, score, compute, out, lse, false);
    } finally {
      workers.leave();
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
    if (!workers.enter()) {
      workers.handOver(() -> attend(plan, layer, q, kvB, score, compute, out));
      return;
    }
    try (DecodePlan.Lease _ = plan.acquire()) {
      attention.attend(plan, layer, q, kvB, score, compute, out);
    } finally {
      workers.leave();
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
    if (!workers.enter()) {
      workers.handOver(() -> merge(partialOut, partialLse, out, lse));
      return;
    }
    try {
      rows.merge(params, partialOut, partialLse, out, lse);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void feedForward(Tensor x, FeedForward weights, ComputeType compute, Tensor out) {
    mixture.checkFeedForward(weights, x, out);
    if (!workers.enter()) {
      workers.handOver(() -> feedForward(x, weights, compute, out));
      return;
    }
    try {
      mixture.feedForward(x, weights, compute, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void mixture(Tensor x, Mixture weights, ComputeType compute, Tensor out) {
    mixture.checkMixture(weights, x, out);
    if (!workers.enter()) {
      workers.handOver(() -> mixture(x, weights, compute, out));
      return;
    }
    try {
      mixture.mixture(x, weights, compute, out);
    } finally {
      workers.leave();
    }
  }

  @Override
  public void close() {
    linear.close();
    attention.close();
    mixture.close();
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
}
