package io.mla4j.cuda;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.OpChecks;
import io.mla4j.ops.Ops;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Sampling;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The operations on a GPU: checks, then the caller's turn, then launches on the device's stream.
 * Nothing waits for the device.
 *
 * <p>Tensors and weights must lie in its memory ({@link CudaDevice#allocate}, {@link
 * CudaDevice#place}), weights as BF16 or F32. An operation holds a lease on its pool while it
 * launches; memory that is freed afterwards is freed when the device is done with it.
 */
final class CudaOps implements Ops, Sampling, AutoCloseable {
  private static final MemorySegment NULL = MemorySegment.NULL;

  private final CudaDevice device;
  private final CudaKernels kernels;
  private final CudaAttention attention;
  private final CudaMixture mixture;
  private final CudaBuffer piece;

  CudaOps(CudaDevice device) {
    this.device = device;
    this.kernels = device.kernels();
    this.attention = new CudaAttention(device);
    this.mixture = new CudaMixture(device);
    this.piece = new CudaBuffer(device);
  }

  /** Where a piece of weights waits for its conversion, in turn. */
  MemorySegment pieceOf(long bytes) {
    return piece.bytes(bytes);
  }

  private MemorySegment of(String name, Tensor tensor) {
    return tensor == null ? NULL : device.resolve(name, tensor.segment());
  }

  @Override
  public void embed(Weight table, Tensor ids, float scale, Tensor out) {
    OpChecks.embed(table, ids, out);
    Tensor t = table.tensor();
    device.inTurn(
        () ->
            kernels.embed(
                device.stream(),
                t.format(),
                of("table", t),
                t.stride(0),
                (int) t.dim(0),
                of("ids", ids),
                (int) ids.dim(0),
                (int) t.dim(1),
                scale,
                of("out", out),
                out.stride(0)));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    OpChecks.rmsNorm(x, weight, out);
    device.inTurn(
        () ->
            kernels.rmsNorm(
                device.stream(),
                of("x", x),
                x.stride(0),
                of("weight", weight),
                eps,
                (int) x.dim(0),
                (int) x.dim(1),
                of("out", out),
                out.stride(0)));
  }

  @Override
  public void linear(Tensor x, List<Projection> projections, ComputeType compute) {
    OpChecks.linear(x, projections);
    device.inTurn(
        () -> {
          for (Projection p : projections) {
            Tensor w = p.weight().tensor();
            LinearParams params =
                CudaMixture.params(
                    compute, p.weight(), (int) x.dim(0), x.stride(0), p.out().stride(0));
            kernels.linear(
                device.stream(),
                params,
                of("x", x),
                of("weight", w),
                of("bias", p.bias()),
                of("out", p.out()));
          }
        });
  }

  @Override
  public void add(Tensor x, Tensor residual, float scale, Tensor out) {
    OpChecks.add(x, residual, out);
    device.inTurn(
        () ->
            kernels.add(
                device.stream(),
                of("x", x),
                x.stride(0),
                of("residual", residual),
                residual.stride(0),
                scale,
                (int) x.dim(0),
                (int) x.dim(1),
                of("out", out),
                out.stride(0)));
  }

  @Override
  public void rotate(Tensor q, Rotation rotation, Tensor out) {
    int rope = OpChecks.rotate(q, rotation, out);
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
    device.inTurn(
        () ->
            kernels.rope(
                device.stream(),
                params,
                of("q", q),
                of("rotation.cosines", rotation.cosines()),
                of("rotation.sines", rotation.sines()),
                of("out", out)));
  }

  @Override
  public void absorb(Tensor q, Weight kvB, ComputeType compute, Tensor out) {
    MlaShape shape = OpChecks.absorb(q, kvB, out);
    device.inTurn(
        () ->
            attention.absorb(
                shape,
                (int) q.dim(0),
                of("q", q),
                q.stride(0),
                q.stride(1),
                kvB,
                compute,
                of("out", out),
                out.stride(0),
                out.stride(1)));
  }

  @Override
  public void expand(Tensor x, Weight kvB, ComputeType compute, Tensor out) {
    MlaShape shape = OpChecks.expand(x, kvB, out);
    device.inTurn(
        () ->
            attention.expand(
                shape,
                (int) x.dim(0),
                of("x", x),
                x.stride(0),
                x.stride(1),
                kvB,
                compute,
                of("out", out),
                out.stride(0),
                out.stride(1)));
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
    // The lease comes first: whoever holds the pool's lock may wait for the device's turn.
    try (DecodePlan.Lease _ = plan.acquire()) {
      device.inTurn(
          () -> {
            kernels.append(
                device.stream(),
                new AppendParams(plan.tokens(), 0, rotation.layout(), eps, latentAndKey.stride(0)),
                plan.cacheParams(),
                of("latentAndKey", latentAndKey),
                of("normWeight", normWeight),
                of("rotation.cosines", rotation.cosines()),
                of("rotation.sines", rotation.sines()),
                attention.planOf(plan, plan.shape().heads(), false).slots(),
                device.resolve("the cache", plan.layerBase(layer)));
          });
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
    try (DecodePlan.Lease _ = plan.acquire()) {
      device.inTurn(
          () -> {
            MemorySegment cache = device.resolve("the cache", plan.layerBase(layer));
            CudaPlan made = attention.planOf(plan, (int) q.dim(1), true);
            for (CudaPlan.Run run : made.runs()) {
              attention.attendAbsorbed(
                  plan,
                  made,
                  run,
                  cache,
                  rows(q, run, "q"),
                  score,
                  compute,
                  rows(out, run, "out"),
                  rows(lse, run, "lse"));
            }
          });
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
    try (DecodePlan.Lease _ = plan.acquire()) {
      device.inTurn(
          () -> {
            MemorySegment cache = device.resolve("the cache", plan.layerBase(layer));
            CudaPlan made = attention.planOf(plan, plan.shape().heads(), false);
            for (CudaPlan.Run run : made.runs()) {
              CudaAttention.Rows queries = rows(q, run, "q");
              CudaAttention.Rows results = rows(out, run, "out");
              if (run.form() == AttentionForm.ABSORBED) {
                attention.attendThroughLatents(
                    plan, made, run, cache, queries, kvB, score, compute, results);
              } else {
                attention.attendDecompressed(
                    plan, made, run, cache, queries, kvB, score, compute, results);
              }
            }
          });
    }
  }

  /** The rows of a run, of a tensor (n, heads, ..); null of null. */
  private CudaAttention.Rows rows(Tensor tensor, CudaPlan.Run run, String name) {
    if (tensor == null) {
      return null;
    }
    MemorySegment segment =
        run.tokens() == 0 ? tensor.segment() : tensor.segmentFrom(run.firstToken());
    return new CudaAttention.Rows(
        device.resolve(name, segment), tensor.stride(0), tensor.stride(1));
  }

  @Override
  public void merge(Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse) {
    MergeParams params = OpChecks.merge(partialOut, partialLse, out, lse);
    device.inTurn(
        () ->
            kernels.merge(
                device.stream(),
                params,
                of("partialOut", partialOut),
                of("partialLse", partialLse),
                of("out", out),
                of("lse", lse)));
  }

  @Override
  public void feedForward(Tensor x, FeedForward weights, ComputeType compute, Tensor out) {
    OpChecks.feedForward(x, weights, out);
    device.inTurn(() -> mixture.feedForward(x, weights, compute, of("out", out), out.stride(0)));
  }

  @Override
  public void mixture(Tensor x, Mixture weights, ComputeType compute, Tensor out) {
    OpChecks.mixture(x, weights, out);
    device.inTurn(() -> mixture.mixture(x, weights, compute, of("out", out), out.stride(0)));
  }

  @Override
  public void argmax(Tensor logits, Tensor ids) {
    checkSampling(logits, ids);
    device.inTurn(
        () ->
            kernels.argmax(
                device.stream(),
                of("logits", logits),
                logits.stride(0),
                (int) logits.dim(0),
                (int) logits.dim(1),
                of("ids", ids)));
  }

  @Override
  public void sample(
      Tensor logits, float temperature, int topK, float topP, Tensor uniform, Tensor ids) {
    checkSampling(logits, ids);
    if (uniform == null
        || uniform.format() != StorageFormat.F32
        || uniform.rank() != 1
        || uniform.dim(0) != logits.dim(0)) {
      throw new InvalidArgumentException(
          "uniform is " + uniform + ", but must be F32[" + logits.dim(0) + "]");
    }
    device.inTurn(
        () ->
            kernels.sample(
                device.stream(),
                of("logits", logits),
                logits.stride(0),
                (int) logits.dim(0),
                (int) logits.dim(1),
                temperature,
                topK,
                topP,
                of("uniform", uniform),
                of("ids", ids)));
  }

  private static void checkSampling(Tensor logits, Tensor ids) {
    if (logits == null || logits.format() != StorageFormat.F32 || logits.rank() != 2) {
      throw new InvalidArgumentException(
          "logits is " + logits + ", but must be F32 with 2 dimensions");
    }
    if (ids == null
        || ids.format() != StorageFormat.I32
        || ids.rank() != 1
        || ids.dim(0) != logits.dim(0)) {
      throw new InvalidArgumentException(
          "ids is " + ids + ", but must be I32[" + logits.dim(0) + "]");
    }
  }

  @Override
  public void close() {
    attention.close();
    mixture.close();
    piece.close();
  }
}
