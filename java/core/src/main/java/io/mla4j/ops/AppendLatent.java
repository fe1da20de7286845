package io.mla4j.ops;

import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import org.jspecify.annotations.Nullable;

/**
 * The new tokens of every sequence into the cache (DeepSeek-V2, section 2.1.2): {@code [norm(c) |
 * rotate(k)]}, rounded to the cache's type.
 *
 * @param layer of the cache
 * @param latentAndKey (n, latent + rope) F32, as the down-projection gives it
 * @param normWeight (latent) F32, or null where latents are written as they are
 * @param eps of the norm
 * @param rotation of the n tokens; its width is rope
 */
public record AppendLatent(
    int layer, Tensor latentAndKey, @Nullable Tensor normWeight, float eps, Rotation rotation)
    implements StepOperation {
  /** Checks types and shapes. */
  public AppendLatent {
    Checks.requireFloats("latentAndKey", latentAndKey, 2);
    int rope = Checks.requireRotation(rotation, latentAndKey.dim(0));
    long latent = latentAndKey.dim(1) - rope;
    Checks.require(
        "latentAndKey",
        latentAndKey,
        StorageFormat.F32,
        latentAndKey.dim(0),
        Math.max(latent, 1) + rope);
    if (normWeight != null) {
      Checks.require("normWeight", normWeight, StorageFormat.F32, latent);
    }
    Checks.requireLayer(layer);
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireLayer(layer, plan);
    Checks.requireTokens("latentAndKey", latentAndKey, plan);
    int rope = (int) (2 * rotation.cosines().dim(1));
    if (rope != plan.shape().rope()) {
      throw new InvalidArgumentException(
          "rotation turns " + rope + " elements, but the cache has " + plan.shape().rope());
    }
    Checks.require(
        "latentAndKey", latentAndKey, StorageFormat.F32, plan.tokens(), plan.shape().cached());
  }
}
