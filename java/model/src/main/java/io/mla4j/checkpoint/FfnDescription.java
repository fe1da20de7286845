package io.mla4j.checkpoint;

import io.mla4j.ops.Routing;

/** The feed-forward network of one layer. */
public sealed interface FfnDescription {
  /**
   * One network for every token.
   *
   * @param width its inner width
   * @param activation what is between its projections
   */
  record Dense(int width, Activation activation) implements FfnDescription {
    /** A SwiGLU network. */
    public Dense(int width) {
      this(width, Activation.SWIGLU);
    }
  }

  /** What a dense network computes between its projections. */
  enum Activation {
    /** {@code silu(gate x) * up x}. */
    SWIGLU,
    /** {@code relu(up x)^2}: such a network has no gate. */
    SQUARED_RELU
  }

  /**
   * Routed experts and shared ones.
   *
   * @param routing how experts are chosen and weighted
   * @param choiceBias whether the router has a bias for the choice
   * @param identities how many experts, the last ones, return what they are given and have no
   *     weights
   * @param expertWidth inner width of one routed expert
   * @param sharedWidth inner width of the shared experts together, 0 for none
   * @param limit what the activation of routed experts is limited by, see {@link
   *     io.mla4j.ops.SwiGlu}; infinite: nothing
   * @param sharedLimit the same of the shared experts
   * @param postNorm whether the sum of all experts is normed before it is added
   */
  record Mixture(
      Routing routing,
      ChoiceBias choiceBias,
      int identities,
      int expertWidth,
      int sharedWidth,
      float limit,
      float sharedLimit,
      boolean postNorm)
      implements FfnDescription {
    /** The same with other limits. */
    Mixture limitedBy(float limit, float sharedLimit) {
      return new Mixture(
          routing, choiceBias, identities, expertWidth, sharedWidth, limit, sharedLimit, postNorm);
    }

    /** Whether an activation has a limit. */
    public boolean isLimited() {
      return limit != Float.POSITIVE_INFINITY || sharedLimit != Float.POSITIVE_INFINITY;
    }

    /** Experts that have weights. */
    public int networks() {
      return routing.experts() - identities;
    }
  }

  /** Whether a router has a bias that only the choice of experts sees. */
  enum ChoiceBias {
    /** It has none. */
    NONE,
    /** Absent counts as zeros. */
    OPTIONAL,
    /** It must be in the checkpoint. */
    REQUIRED
  }
}
