package io.mla4j.ops;

import io.mla4j.DecodePlan;

/** An operation on a layer of the cache: it needs the plan of its step whenever it runs. */
public interface StepOperation extends Operation {
  /** The layer of the cache. */
  int layer();

  /**
   * Whether the operands fit the step.
   *
   * @throws io.mla4j.InvalidArgumentException where the plan is null, has another number of tokens
   *     or rows of another width, or the cache has no such layer
   */
  void requireFits(DecodePlan plan);
}
