package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A mixture of experts (DeepSeek-V3, section 2.1.2): {@code out = sum over the chosen experts of
 * weight_e * expert_e(x), in the order of their choice, then + shared(x)}.
 *
 * @param x (n, in) F32
 * @param out (n, width) F32
 */
public record Mixture(Tensor x, Weights weights, ComputeType compute, Tensor out)
    implements Operation {
  /**
   * Router, experts and shared expert.
   *
   * @param router (experts, in); its product is computed in F32 whatever the compute type
   * @param bias (experts) F32, for the choice only, or null
   * @param experts one network for each expert but the last ones, all of one shape and with one
   *     limit
   * @param identities how many experts, the last ones, return x itself, which is as wide as the
   *     result then
   * @param shared a network that every token passes, or null
   */
  public record Weights(
      Routing routing,
      Weight router,
      @Nullable Tensor bias,
      List<FeedForward.Weights> experts,
      int identities,
      FeedForward.@Nullable Weights shared) {
    /** All experts have networks. */
    public Weights(
        Routing routing,
        Weight router,
        @Nullable Tensor bias,
        List<FeedForward.Weights> experts,
        FeedForward.@Nullable Weights shared) {
      this(routing, router, bias, experts, 0, shared);
    }
  }

  /** Checks types and shapes. */
  public Mixture {
    Checks.require(weights != null && weights.routing() != null, "weights.routing is null");
    Checks.requireNonNull("compute", compute);
    int experts = weights.routing().experts();
    int networks = experts - weights.identities();
    if (weights.identities() < 0 || networks < 1) {
      throw new InvalidArgumentException(
          "weights.identities is " + weights.identities() + ", but must be in 0.." + (experts - 1));
    }
    if (weights.experts().size() != networks) {
      throw new InvalidArgumentException(
          "weights.experts has "
              + weights.experts().size()
              + " networks, but must have "
              + networks);
    }
    FeedForward.requireRows(x, out);
    Checks.require(
        weights.identities() == 0 || x.dim(1) == out.dim(1),
        "weights.identities is above 0, but x and out have different widths");
    Checks.require("weights.router", weights.router(), experts, x.dim(1));
    if (weights.bias() != null) {
      Checks.require("weights.bias", weights.bias(), StorageFormat.F32, experts);
    }
    int inner = -1;
    for (int e = 0; e < networks; e++) {
      FeedForward.Weights expert = weights.experts().get(e);
      FeedForward.requireNetwork("weights.experts[" + e + "]", expert, x, out);
      int width = expert.requiredGate().out();
      inner = e == 0 ? width : inner;
      if (width != inner) {
        throw new InvalidArgumentException(
            "weights.experts["
                + e
                + "] has an inner width of "
                + width
                + ", but the first one has "
                + inner);
      }
      float limit = weights.experts().getFirst().limit();
      if (expert.limit() != limit) {
        throw new InvalidArgumentException(
            "weights.experts["
                + e
                + "].limit is "
                + expert.limit()
                + ", but the first one has "
                + limit);
      }
    }
    if (weights.shared() != null) {
      FeedForward.requireNetwork("weights.shared", weights.shared(), x, out);
    }
  }
}
