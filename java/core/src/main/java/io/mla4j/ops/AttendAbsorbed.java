package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import org.jspecify.annotations.Nullable;

/**
 * Attention with absorbed queries over the latents themselves, keys of the cache: {@code out[t, h]
 * = sum_j exp(score_j - lse[t, h]) c_j}. The tokens must have been appended to the layer.
 *
 * @param layer of the cache
 * @param q (n, heads, latent + rope) F32
 * @param out (n, heads, latent) F32
 * @param lse (n, heads) F32, natural logarithm, or null
 */
public record AttendAbsorbed(
    int layer,
    Tensor q,
    AttentionScore score,
    ComputeType compute,
    Tensor out,
    @Nullable Tensor lse)
    implements StepOperation {
  /** Checks types and shapes. */
  public AttendAbsorbed {
    Checks.requireFloats("q", q, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireNonNull("compute", compute);
    Checks.positiveInt("heads", q.dim(1));
    Checks.require("q", q, StorageFormat.F32, q.dim(0), q.dim(1), Math.max(q.dim(2), out.dim(2)));
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), out.dim(2));
    if (lse != null) {
      Checks.requireOutput("lse", lse, StorageFormat.F32, q.dim(0), q.dim(1));
    }
    Checks.requireScore(score, q.dim(1));
    Checks.requireLayer(layer);
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireLayer(layer, plan);
    Checks.require("q", q, StorageFormat.F32, plan.tokens(), q.dim(1), plan.shape().cached());
    if (out.dim(2) != plan.shape().latent()) {
      throw new InvalidArgumentException(
          "out is " + out + ", but the cache has latents of " + plan.shape().latent());
    }
  }
}
