package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.Add;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The feed-forward network of a layer: {@code x += residualScale * ffn(norm(x))}, where ffn is one
 * SwiGLU network or a mixture of them (DeepSeek-V3, section 2.1.2), whose sum may have a norm of
 * its own (A.X-K1).
 *
 * <p>With a shortcut (LongCat-Flash) a mixture reads the same {@code norm(x)}, and {@code x +=
 * residualScale * mixture} comes at the end of the next layer's network.
 */
final class FfnPart implements LayerPart {
  private final BoundOperation[] steps;

  /**
   * @param shortcut what the layer before computed beside its network, or null
   * @param ownShortcut where this layer's goes to; looked at where it has one
   */
  FfnPart(
      Frame f,
      LayerDescription layer,
      DecoderWeights.Layer w,
      @Nullable Tensor shortcut,
      @Nullable Tensor ownShortcut) {
    Tensor out = f.rows("ffn", Math.toIntExact(f.x().dim(1)));
    List<Operation> all = new ArrayList<>();
    all.add(new RmsNorm(f.x(), w.vector(TensorRole.FFN_NORM), f.eps(), f.h()));
    if (ownShortcut != null) {
      layer.shortcut().ifPresent(mixture -> all.add(mixture(f, mixture, w, ownShortcut)));
    }
    switch (layer.ffn()) {
      case FfnDescription.Dense _ -> all.add(dense(f, w, out));
      case FfnDescription.Mixture mixture -> {
        all.add(mixture(f, mixture, w, out));
        if (mixture.postNorm()) {
          all.add(new RmsNorm(out, w.vector(TensorRole.FFN_POST_NORM), f.eps(), out));
        }
      }
    }
    all.add(new Add(f.x(), out, f.residualScale(), f.x()));
    if (shortcut != null) {
      all.add(new Add(f.x(), shortcut, f.residualScale(), f.x()));
    }
    steps = all.stream().map(f::bind).toArray(BoundOperation[]::new);
  }

  private static Operation dense(Frame f, DecoderWeights.Layer w, Tensor out) {
    FeedForward.Weights weights =
        w.networks(
                TensorRole.DENSE_GATE,
                TensorRole.DENSE_UP,
                TensorRole.DENSE_DOWN,
                Float.POSITIVE_INFINITY)
            .getFirst();
    return new FeedForward(f.h(), weights, f.compute(), out);
  }

  private static Operation mixture(
      Frame f, FfnDescription.Mixture mixture, DecoderWeights.Layer w, Tensor out) {
    List<FeedForward.Weights> shared =
        w.networks(
            TensorRole.SHARED_GATE,
            TensorRole.SHARED_UP,
            TensorRole.SHARED_DOWN,
            mixture.sharedLimit());
    return new Mixture(
        f.h(),
        new Mixture.Weights(
            mixture.routing(),
            w.matrix(TensorRole.ROUTER),
            w.vectorIfAny(TensorRole.ROUTER_BIAS),
            w.networks(
                TensorRole.EXPERT_GATE,
                TensorRole.EXPERT_UP,
                TensorRole.EXPERT_DOWN,
                mixture.limit()),
            mixture.identities(),
            shared.isEmpty() ? null : shared.getFirst()),
        f.compute(),
        out);
  }

  @Override
  public void run(Plans plans) {
    for (BoundOperation step : steps) {
      step.run();
    }
  }
}
