package io.mla4j.device;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Argmax;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Ops;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Sample;
import io.mla4j.ops.Sampling;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.util.List;

/** {@link Ops} as operations that are bound and run once. */
record OperationCalls(Device device) implements Ops, Sampling {
  @Override
  public void embed(Weight table, Tensor ids, float scale, Tensor out) {
    device.run(new Embed(table, ids, scale, out));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    device.run(new RmsNorm(x, weight, eps, out));
  }

  @Override
  public void linear(Tensor x, List<Projection> projections, ComputeType compute) {
    device.run(
        new Linear(
            x,
            projections.stream()
                .map(p -> new Linear.Projection(p.weight(), p.bias(), p.out()))
                .toList(),
            compute));
  }

  @Override
  public void add(Tensor x, Tensor residual, float scale, Tensor out) {
    device.run(new Add(x, residual, scale, out));
  }

  @Override
  public void rotate(Tensor q, Rotation rotation, Tensor out) {
    device.run(new Rotate(q, rotation, out));
  }

  @Override
  public void absorb(Tensor q, Weight kvB, ComputeType compute, Tensor out) {
    device.run(new Absorb(q, kvB, compute, out));
  }

  @Override
  public void expand(Tensor x, Weight kvB, ComputeType compute, Tensor out) {
    device.run(new Expand(x, kvB, compute, out));
  }

  @Override
  public void appendLatent(
      DecodePlan plan, int layer, Tensor x, Tensor normWeight, float eps, Rotation rotation) {
    device.run(new AppendLatent(layer, x, normWeight, eps, rotation), plan);
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
    device.run(new AttendAbsorbed(layer, q, score, compute, out, lse), plan);
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
    device.run(new Attend(layer, plan.shape(), q, kvB, score, compute, out), plan);
  }

  @Override
  public void merge(Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse) {
    device.run(new Merge(partialOut, partialLse, out, lse));
  }

  @Override
  public void feedForward(Tensor x, FeedForward weights, ComputeType compute, Tensor out) {
    device.run(new io.mla4j.ops.FeedForward(x, of(weights), compute, out));
  }

  private static io.mla4j.ops.FeedForward.Weights of(FeedForward w) {
    return w == null ? null : new io.mla4j.ops.FeedForward.Weights(w.gate(), w.up(), w.down());
  }

  @Override
  public void mixture(Tensor x, Mixture w, ComputeType compute, Tensor out) {
    device.run(
        new io.mla4j.ops.Mixture(
            x,
            new io.mla4j.ops.Mixture.Weights(
                w.routing(),
                w.router(),
                w.bias(),
                w.experts().stream().map(OperationCalls::of).toList(),
                of(w.shared())),
            compute,
            out));
  }

  @Override
  public void argmax(Tensor logits, Tensor ids) {
    device.run(new Argmax(logits, ids));
  }

  @Override
  public void sample(
      Tensor logits, float temperature, int topK, float topP, Tensor uniform, Tensor ids) {
    device.run(new Sample(logits, temperature, topK, topP, uniform, ids));
  }
}
