package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;

/**
 * Multi-head, grouped-query or multi-query attention over rows of {@link AppendGrouped}: {@code
 * out[t, h] = softmax_j(scale * (q[t, h] . k_j)) v_j}, where heads {@code g heads / groups} and
 * those behind it share the keys and values of layer {@code layer + g} of the cache. The tokens
 * must have been appended.
 *
 * @param layer of the cache that the first head of keys and values has
 * @param groups heads of keys and values; divides heads
 * @param q (n, heads, key) F32, rotated
 * @param score without slopes
 * @param out (n, heads, value) F32
 */
public record AttendGrouped(
    int layer, int groups, Tensor q, AttentionScore score, ComputeType compute, Tensor out)
    implements StepOperation {
  /** Checks types and shapes. */
  public AttendGrouped {
    Checks.requireFloats("q", q, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireNonNull("compute", compute);
    Checks.positiveInt("heads", q.dim(1));
    Checks.require("q", q, StorageFormat.F32, q.dim(0), q.dim(1), q.dim(2));
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), out.dim(2));
    Checks.requireScore(score, q.dim(1));
    Checks.require(
        score.alibiSlopes() == null, "score has slopes, which grouped attention does not take");
    if (groups < 1 || q.dim(1) % groups != 0) {
      throw new InvalidArgumentException(
          "groups is " + groups + ", but must divide the " + q.dim(1) + " heads");
    }
    Checks.requireLayer(layer);
  }

  /** Heads that share keys and values. */
  public int groupHeads() {
    return (int) q.dim(1) / groups;
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireLayer((long) layer + groups - 1, plan);
    Checks.require("q", q, StorageFormat.F32, plan.tokens(), q.dim(1), plan.shape().rope());
    if (out.dim(2) != plan.shape().latent()) {
      throw new InvalidArgumentException(
          "out is " + out + ", but the cache has values of " + plan.shape().latent());
    }
  }
}
