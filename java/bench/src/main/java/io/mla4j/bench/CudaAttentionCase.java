package io.mla4j.bench;

import io.mla4j.cuda.CudaDevice;
import io.mla4j.cuda.CudaGraph;

/**
 * Attention on a GPU: a run is a graph of operations, launched at once and waited for, so that what
 * a launch costs the host is not what is timed.
 */
final class CudaAttentionCase extends LatentAttentionCase {
  /** What a run takes, where so many operations are not too many. */
  private static final long NANOS = 5_000_000;

  private static final int MAX_OPERATIONS = 256;

  private final CudaDevice gpu;
  private final int operations;
  private CudaGraph graph;

  CudaAttentionCase(AttentionSpec spec, DataPool pool, CudaDevice gpu, CudaLimits limits) {
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

  /** A graph holds as long as no other row has used the device, which keeps few plans. */
  @Override
  void prepare() {
    closeGraph();
    operation();
    graph =
        gpu.capture(
            () -> {
              for (int i = 0; i < operations; i++) {
                operation();
              }
            });
  }

  @Override
  void run() {
    graph.launch();
    gpu.synchronize();
  }

  @Override
  int operationsOfARun() {
    return operations;
  }

  private void closeGraph() {
    if (graph != null) {
      graph.close();
      graph = null;
    }
  }

  @Override
  public void close() {
    closeGraph();
    super.close();
  }
}
