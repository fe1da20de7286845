package io.mla4j.ops;

import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;

/**
 * The cached tokens that each token attends to in sparse attention (DeepSeek-V3.2, section 2.1):
 * those with the largest {@code I(t, s) = sum_j w(t, j) relu(q(t, j) . k(s))} among the tokens s up
 * to t. Scores are computed in float32. The keys must have been appended to the layer.
 *
 * <p>Positions that are chosen come in rising order, then -1. Of equal scores the lower position is
 * taken, and NaN counts as the smallest. A token that sees no more than topK tokens chooses all.
 *
 * @param group of rows of the cache, which hold the keys
 * @param layer of the group
 * @param q (n, heads, width) F32
 * @param weights (n, heads) F32
 * @param chosen (n, topK) I32, without gaps
 */
public record ChooseKeys(int group, int layer, Tensor q, Tensor weights, Tensor chosen)
    implements StepOperation {
  /** Checks types and shapes. */
  public ChooseKeys {
    Checks.require(group >= 1, "group is " + group + ", but must be at least 1");
    Checks.requireFloats("q", q, 3);
    Checks.positiveInt("heads", q.dim(1));
    Checks.require("weights", weights, StorageFormat.F32, q.dim(0), q.dim(1));
    Checks.requireNonNull("chosen", chosen);
    Checks.requireOutput("chosen", chosen, StorageFormat.I32, q.dim(0), chosen.dim(1));
    Checks.requireNonEmpty("chosen", chosen, 1);
    Checks.requireDense("chosen", chosen);
    Checks.requireLayer(layer);
  }

  /** Tokens that are chosen at most. */
  public int topK() {
    return (int) chosen.dim(1);
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireLayer(group, layer, plan);
    Checks.requireTokens("q", q, plan);
    if (plan.layout(group).rope() != 0 || plan.layout(group).latent() != q.dim(2)) {
      throw new InvalidArgumentException(
          "q is " + q + ", but group " + group + " has rows of " + plan.layout(group));
    }
  }
}
