package io.mla4j.bench;

import io.mla4j.device.Accelerator;

/**
 * Attention on a device that computes while the host goes on: a run is many operations that are
 * launched and then waited for, so that it takes longer than what the wait costs.
 */
final class AcceleratorCase extends LatentAttentionCase {
  /** What a run takes, where so many operations are not too many. */
  private static final long NANOS = 5_000_000;

  private static final int MAX_OPERATIONS = 256;

  private final Accelerator device;
  private final int operations;

  AcceleratorCase(AttentionSpec spec, DataPool pool, Accelerator device, AcceleratorLimits limits) {
    super(spec, pool, limits);
    this.device = device;
    operation(); // takes the memory that it needs
    device.synchronize();
    long start = System.nanoTime();
    operation();
    device.synchronize();
    long nanos = Math.max(1, System.nanoTime() - start);
    operations = Math.clamp(NANOS / nanos, 1, MAX_OPERATIONS);
  }

  @Override
  void run() {
    for (int i = 0; i < operations; i++) {
      operation();
    }
    device.synchronize();
  }

  @Override
  int operationsOfARun() {
    return operations;
  }
}
