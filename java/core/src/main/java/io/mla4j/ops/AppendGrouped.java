package io.mla4j.ops;

import io.mla4j.DecodePlan;

/**
 * The keys and values of the new tokens of every sequence into the cache, as multi-head,
 * grouped-query and multi-query attention have them: a head of keys and values has a layer of the
 * cache of its own, whose rows are {@code [v | rotate(k)]}, rounded to the cache's type. They lie
 * in the same pages.
 *
 * @param layer of the cache that the first head has; those of the others follow
 * @param rows (n, groups, value + key) F32, the cache's latent being value and its rope key
 * @param rotation of the n tokens; its width is key
 */
public record AppendGrouped(int layer, Tensor rows, Rotation rotation) implements StepOperation {
  /** Checks types and shapes. */
  public AppendGrouped {
    Checks.requireFloats("rows", rows, 3);
    Checks.requireNonEmpty("rows", rows, 1);
    int key = Checks.requireRotation(rotation, rows.dim(0));
    Checks.require(
        "rows", rows, StorageFormat.F32, rows.dim(0), rows.dim(1), Math.max(rows.dim(2), key + 1L));
    Checks.requireLayer(layer);
  }

  /** Heads of keys and values. */
  public int groups() {
    return (int) rows.dim(1);
  }

  /** What head {@code group} appends. */
  public AppendLatent of(int group) {
    return new AppendLatent(layer + group, rows.along(1, group, 1).without(1), null, 0, rotation);
  }

  @Override
  public void requireFits(DecodePlan plan) {
    of(groups() - 1).requireFits(plan);
  }
}
