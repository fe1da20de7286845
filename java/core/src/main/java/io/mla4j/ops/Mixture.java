package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import java.util.List;

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
   * @param experts one network for each expert, all of one shape
   * @param shared a network that every token passes, or null
   */
  public record Weights(
      Routing routing,
      Weight router,
      Tensor bias,
      List<FeedForward.Weights> experts,
      FeedForward.Weights shared) {}

  /** Checks types and shapes. */
  public Mixture {
    Checks.require(weights != null && weights.routing() != null, "weights.routing is null");
    Checks.requireNonNull("compute", compute);
    int experts = weights.routing().experts();
    if (weights.experts().size() != experts) {
      throw new InvalidArgumentException(
          "weights.experts has "
              + weights.experts().size()
              + " networks, but must have "
              + experts);
    }
    FeedForward.requireRows(x, out);
    Checks.require("weights.router", weights.router(), experts, x.dim(1));
    if (weights.bias() != null) {
      Checks.require("weights.bias", weights.bias(), StorageFormat.F32, experts);
    }
    int inner = -1;
    for (int e = 0; e < experts; e++) {
      FeedForward.Weights expert = weights.experts().get(e);
      FeedForward.requireNetwork("weights.experts[" + e + "]", expert, x, out);
      inner = e == 0 ? expert.gate().out() : inner;
      if (expert.gate().out() != inner) {
        throw new InvalidArgumentException(
            "weights.experts["
                + e
                + "] has an inner width of "
                + expert.gate().out()
                + ", but the first one has "
                + inner);
      }
    }
    if (weights.shared() != null) {
      FeedForward.requireNetwork("weights.shared", weights.shared(), x, out);
    }
  }
}
