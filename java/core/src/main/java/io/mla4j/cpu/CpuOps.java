package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.OpChecks;
import io.mla4j.ops.Ops;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.MergeParams;
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
    OpChecks.embed(table, ids, out);
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
    OpChecks.rmsNorm(x, weight, out);
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
    OpChecks.linear(x, projections);
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
    OpChecks.add(x, residual, out);
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
    int rope = OpChecks.rotate(q, rotation, out);
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
    MlaShape shape = OpChecks.absorb(q, kvB, out);
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
    MlaShape shape = OpChecks.expand(x, kvB, out);
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
    OpChecks.appendLatent(plan, layer, latentAndKey, normWeight, rotation);
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
    OpChecks.attendAbsorbed(plan, layer, q, score, out, lse);
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
    OpChecks.attend(plan, layer, q, kvB, score, out);
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
    MergeParams params = OpChecks.merge(partialOut, partialLse, out, lse);
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
    OpChecks.feedForward(x, weights, out);
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
    OpChecks.mixture(x, weights, out);
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
}
