package io.mla4j;

import org.jspecify.annotations.Nullable;

/**
 * An operation made ready to run on a device: its operands were checked and are known to the
 * kernels, so that running it costs no more than its work and allocates nothing. It sees what lies
 * behind its tensors whenever it runs.
 *
 * <p>Belongs to one thread at a time; several may be run by different threads at once, and the
 * device lets them take turns. Good for as long as the device and the memory of its operands are
 * open. Needs no closing.
 */
public interface BoundOperation {
  /**
   * Runs an operation that needs no plan.
   *
   * @throws InvalidArgumentException where it needs one
   * @throws ClosedException where the device is closed
   */
  default void run() {
    run(null);
  }

  /**
   * Runs the operation on the sequences of a step.
   *
   * @param plan the step's; an operation that needs none ignores it
   * @throws InvalidArgumentException where the plan does not fit the operands, or an id that the
   *     operation reads is outside of its range
   * @throws ClosedException where the device, the pool or the step is closed
   */
  void run(@Nullable DecodePlan plan);
}
