package io.mla4j;

import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Argmax;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Ops;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Sample;
import java.util.List;

/** Operations as calls of {@link Ops}. */
final class OpsAdapter {
  private OpsAdapter() {}

  static BoundOperation bind(Device device, Operation operation) {
    Ops ops = device.ops();
    return switch (operation) {
      case Embed o -> _ -> ops.embed(o.table(), o.ids(), o.scale(), o.out());
      case RmsNorm o -> _ -> ops.rmsNorm(o.x(), o.weight(), o.eps(), o.out());
      case Add o -> _ -> ops.add(o.x(), o.residual(), o.scale(), o.out());
      case Rotate o -> _ -> ops.rotate(o.q(), o.rotation(), o.out());
      case Linear o -> {
        List<Ops.Projection> projections =
            o.projections().stream()
                .map(p -> new Ops.Projection(p.weight(), p.bias(), p.out()))
                .toList();
        yield _ -> ops.linear(o.x(), projections, o.compute());
      }
      case Absorb o -> _ -> ops.absorb(o.q(), o.kvB(), o.compute(), o.out());
      case Expand o -> _ -> ops.expand(o.x(), o.kvB(), o.compute(), o.out());
      case AppendLatent o ->
          plan -> {
            o.requireFits(plan);
            ops.appendLatent(
                plan, o.layer(), o.latentAndKey(), o.normWeight(), o.eps(), o.rotation());
          };
      case AttendAbsorbed o ->
          plan -> {
            o.requireFits(plan);
            ops.attendAbsorbed(plan, o.layer(), o.q(), o.score(), o.compute(), o.out(), o.lse());
          };
      case Attend o ->
          plan -> {
            o.requireFits(plan);
            ops.attend(plan, o.layer(), o.q(), o.kvB(), o.score(), o.compute(), o.out());
          };
      case Merge o -> _ -> ops.merge(o.partialOut(), o.partialLse(), o.out(), o.lse());
      case FeedForward o -> {
        Ops.FeedForward weights = weights(o.weights());
        yield _ -> ops.feedForward(o.x(), weights, o.compute(), o.out());
      }
      case Mixture o -> {
        Mixture.Weights w = o.weights();
        Ops.Mixture weights =
            new Ops.Mixture(
                w.routing(),
                w.router(),
                w.bias(),
                w.experts().stream().map(OpsAdapter::weights).toList(),
                w.shared() == null ? null : weights(w.shared()));
        yield _ -> ops.mixture(o.x(), weights, o.compute(), o.out());
      }
      case Argmax o when device.choosesTokens() ->
          _ -> device.sampling().orElseThrow().argmax(o.logits(), o.ids());
      case Sample o when device.choosesTokens() ->
          _ ->
              device
                  .sampling()
                  .orElseThrow()
                  .sample(o.logits(), o.temperature(), o.topK(), o.topP(), o.uniform(), o.ids());
      default ->
          throw new BackendException(
              "backend " + device.backend() + " has no operation " + operation.name());
    };
  }

  private static Ops.FeedForward weights(FeedForward.Weights w) {
    return new Ops.FeedForward(w.gate(), w.up(), w.down());
  }
}
