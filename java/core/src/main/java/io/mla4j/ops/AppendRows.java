package io.mla4j.ops;

import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;

/**
 * The new tokens of every sequence into a group of rows of the cache, rounded to its type.
 *
 * @param group of the cache, at least 1: latents have {@link AppendLatent}
 * @param layer of the group
 * @param rows (n, width) F32
 */
public record AppendRows(int group, int layer, Tensor rows) implements StepOperation {
  /** Checks types and shapes. */
  public AppendRows {
    Checks.require(group >= 1, "group is " + group + ", but must be at least 1");
    Checks.requireFloats("rows", rows, 2);
    Checks.requireNonEmpty("rows", rows, 1);
    Checks.requireLayer(layer);
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireLayer(group, layer, plan);
    Checks.requireTokens("rows", rows, plan);
    if (plan.layout(group).rope() != 0 || plan.layout(group).latent() != rows.dim(1)) {
      throw new InvalidArgumentException(
          "rows is " + rows + ", but group " + group + " has rows of " + plan.layout(group));
    }
  }
}
