package io.mla4j.bench;

import io.mla4j.device.Accelerator;

/**
 * Attention on a GPU: a run is many operations that are launched and then waited for, so that it
 * takes longer than what the wait costs.
 */
final class CudaAttentionCase extends LatentAttentionCase {
  /** What a run takes, where so many operations are not too many. */
  private static final long NANOS = 5_000_000;

  private static final int MAX_OPERATIONS = 256;

  private final Accelerator gpu;
  private final int operations;

  CudaAttentionCase(AttentionSpec spec, DataPool pool, Accelerator gpu, CudaLimits limits) {
    super(spec, pool, limits);
    this.gpu = gpu;
    operation(); // takes the memory that it needs
    gpu.synchronize();
    long start = System.nanoTime();
    operation();
    gpu.synchronize();
    long nanos = Math.max(1, System.nanoTime() - start);
    operations = Math.clamp(NANOS / nanos, 1, MAX_OPERATIONS);
  }

  @Override
  void run() {
    for (int i = 0; i < operations; i++) {
      operation();
    }
    gpu.synchronize();
  }

  @Override
  int operationsOfARun() {
    return operations;
  }
}
