package io.mla4j.ops;

import io.mla4j.Device;

/**
 * Something to compute: tensors, weights and numbers, all of them checked when it is made. A {@link
 * Device} binds it once and then runs it as often as the numbers behind its tensors change.
 *
 * <p>Activations are F32 and stay where the device keeps them; n is the number of tokens of a step,
 * all sequences one after the other as in its plan. Weights may be of any format that {@link
 * Weight} allows. The bits of a row depend on its own sequence only, never on the batch or on the
 * number of threads.
 *
 * <p>Immutable, but the numbers behind its tensors belong to one thread at a time. Constructors
 * throw {@link io.mla4j.InvalidArgumentException} naming the argument, what it is and what it must
 * be.
 */
public interface Operation {
  /** What errors call it. */
  default String name() {
    return getClass().getSimpleName();
  }
}
