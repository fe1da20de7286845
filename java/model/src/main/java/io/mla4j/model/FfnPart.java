package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.Add;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Tensor;
import java.util.List;

/**
 * The feed-forward network of a layer, bound to the activations of a frame: {@code x +=
 * residualScale * ffn(norm(x))}, where ffn is one SwiGLU network or a mixture of them (DeepSeek-V3,
 * section 2.1.2).
 */
final class FfnPart {
  private final BoundOperation norm;
  private final BoundOperation network;
  private final BoundOperation add;

  FfnPart(Frame f, FfnDescription ffn, DecoderWeights.Layer w) {
    Tensor out = f.rows("ffn", Math.toIntExact(f.x().dim(1)));
    norm = f.bind(new RmsNorm(f.x(), w.vector(TensorRole.FFN_NORM), f.eps(), f.h()));
    network =
        f.bind(
            switch (ffn) {
              case FfnDescription.Dense _ -> dense(f, w, out);
              case FfnDescription.Mixture mixture -> mixture(f, mixture, w, out);
            });
    add = f.bind(new Add(f.x(), out, f.residualScale(), f.x()));
  }

  private static Operation dense(Frame f, DecoderWeights.Layer w, Tensor out) {
    FeedForward.Weights weights =
        w.networks(TensorRole.DENSE_GATE, TensorRole.DENSE_UP, TensorRole.DENSE_DOWN).getFirst();
    return new FeedForward(f.h(), weights, f.compute(), out);
  }

  private static Operation mixture(
      Frame f, FfnDescription.Mixture mixture, DecoderWeights.Layer w, Tensor out) {
    List<FeedForward.Weights> shared =
        w.networks(TensorRole.SHARED_GATE, TensorRole.SHARED_UP, TensorRole.SHARED_DOWN);
    return new Mixture(
        f.h(),
        new Mixture.Weights(
            mixture.routing(),
            w.matrix(TensorRole.ROUTER),
            w.vector(TensorRole.ROUTER_BIAS),
            w.networks(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN),
            shared.isEmpty() ? null : shared.getFirst()),
        f.compute(),
        out);
  }

  void run() {
    norm.run();
    network.run();
    add.run();
  }
}
