package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;

/**
 * Attention in the form that the plan chose for each sequence, from rotated queries to head
 * outputs: {@code score_j = scale * (q_nope . W_UK c_j + q_rope . k_j)}, {@code out = W_UV sum_j
 * p_j c_j}. The tokens must have been appended to the layer.
 *
 * @param layer of the cache
 * @param shape the plan's
 * @param q (n, heads, nope + rope) F32
 * @param up W_UK and W_UV
 * @param out (n, heads, value) F32
 */
public record Attend(
    int layer,
    MlaShape shape,
    Tensor q,
    LatentUp up,
    AttentionScore score,
    ComputeType compute,
    Tensor out)
    implements StepOperation {
  /** Checks types and shapes. */
  public Attend {
    Checks.requireFloats("q", q, 3);
    Checks.requireNonNull("shape", shape);
    Checks.requireNonNull("compute", compute);
    Checks.require("q", q, StorageFormat.F32, q.dim(0), shape.heads(), shape.query());
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), shape.heads(), shape.value());
    Checks.requireNonNull("up", up);
    up.requireFits(shape);
    Checks.requireScore(score, shape.heads());
    Checks.requireLayer(layer);
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireLayer(layer, plan);
    Checks.requireTokens("q", q, plan);
    if (plan.shape() != shape && !plan.shape().equals(shape)) {
      throw new InvalidArgumentException(
          "shape is " + shape + ", but the plan was made for " + plan.shape());
    }
  }
}
