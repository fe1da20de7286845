package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.Add;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Linear.Projection;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * Kimi Delta Attention (Kimi Linear, section 3), whose layers have a state instead of rows of the
 * cache.
 *
 * <pre>
 * h = norm(x)
 * q, k, v, beta = W_Q h, W_K h, W_V h, W_B h
 * f, g = W_F h, W_G h                decay and gate; each W may be a product of two
 * o = delta(q, k, v, f, beta, g)     the state goes on by every token
 * x += residualScale * W_O o
 * </pre>
 */
final class KdaAttention implements AttentionPart {
  private final BoundOperation norm;
  private final List<BoundOperation> projections = new ArrayList<>();
  private final BoundOperation delta;
  private final BoundOperation output;
  private final BoundOperation add;

  /** {@code layer}: of those that have a state. */
  KdaAttention(Frame f, int layer, AttentionDescription.Kda kda, DecoderWeights.Layer w) {
    ComputeType compute = f.compute();
    int channels = kda.state().heads() * kda.state().width();
    Tensor q = f.rows("deltaQueries", channels);
    Tensor k = f.rows("deltaKeys", channels);
    Tensor v = f.rows("deltaValues", channels);
    Tensor decays = f.rows("deltaDecays", channels);
    Tensor betas = f.rows("deltaBetas", kda.state().heads());
    Tensor gates = f.rows("deltaGates", channels);
    Tensor out = f.rows("deltaOut", channels);
    norm = f.bind(new RmsNorm(f.x(), w.vector(TensorRole.ATTENTION_NORM), f.eps(), f.h()));
    List<Projection> fromHidden = new ArrayList<>();
    fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_QUERY), null, q));
    fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_KEY), null, k));
    fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_VALUE), null, v));
    fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_BETA), null, betas));
    List<Linear> more = new ArrayList<>();
    if (kda.lowRank().isEmpty()) {
      fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_DECAY), null, decays));
      fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_GATE), null, gates));
    } else {
      int rank = kda.lowRank().getAsInt();
      Tensor toDecays = f.rows("deltaDecayLatent", rank);
      Tensor toGates = f.rows("deltaGateLatent", rank);
      fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_DECAY_DOWN), null, toDecays));
      fromHidden.add(new Projection(w.matrix(TensorRole.DELTA_GATE_DOWN), null, toGates));
      more.add(Linear.of(toDecays, w.matrix(TensorRole.DELTA_DECAY_UP), compute, decays));
      more.add(Linear.of(toGates, w.matrix(TensorRole.DELTA_GATE_UP), compute, gates));
    }
    projections.add(f.bind(new Linear(f.h(), fromHidden, compute)));
    more.forEach(linear -> projections.add(f.bind(linear)));
    delta =
        f.bind(
            new AttendDelta(
                layer,
                new AttendDelta.Inputs(q, k, v, decays, betas, gates),
                Objects.requireNonNull(w.delta(), "the weights of a layer with a state"),
                kda.decay(),
                out));
    output = f.bind(Linear.of(out, w.matrix(TensorRole.DELTA_OUTPUT), compute, f.h()));
    add = f.bind(new Add(f.x(), f.h(), f.residualScale(), f.x()));
  }

  @Override
  public void run(Plans plans) {
    remember(plans);
    add.run();
  }

  /** All but the addition: what the state needs is nearly everything. */
  @Override
  public void remember(Plans plans) {
    norm.run();
    for (int i = 0; i < projections.size(); i++) {
      projections.get(i).run();
    }
    delta.run(plans.get(0));
    output.run();
  }

  @Override
  public void attend(Plans plans) {
    add.run();
  }
}
