package io.mla4j.bench;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.device.Accelerator;
import io.mla4j.ops.Linear;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What a device with memory of its own reaches in the same run: its memory by a copy from one half
 * of the pool to the other, read and written; its arithmetic by the largest linear layer of the
 * library that is not slow here. That is no limit of the device, which can do more, and rows that
 * beat it show more than 100 %.
 */
final class AcceleratorLimits implements Limits, AutoCloseable {
  /** Rows, inputs and outputs of the largest linear, and how long one may take. */
  private static final int MOST = 8192;

  private static final int LEAST = 128;
  private static final long NANOS = 4_000_000;
  private static final int MEASUREMENTS = 5;

  private final Accelerator device;
  private final DataPool pool;
  private final Arena arena = Arena.ofShared();
  private final Energy energy;
  private final int size;
  private final BoundOperation linear;

  AcceleratorLimits(Accelerator device, DataPool pool) {
    this.device = device;
    this.pool = pool;
    energy = Energy.ofGpu(device.name());
    int n = LEAST;
    while (n < MOST && fits(2 * n)) {
      try (Arena tried = Arena.ofShared()) {
        BoundOperation one = linear(n, tried);
        nanos(one);
        // Twice the size is eight times the work.
        if (8 * nanos(one) > NANOS) {
          break;
        }
      }
      n *= 2;
    }
    size = n;
    linear = linear(n, arena);
  }

  /** Whether weight and input lie in the pool, and the output beside it. */
  private boolean fits(long n) {
    return 6 * n * n <= pool.bytes() && 4 * n * n <= device.freeMemory() / 2;
  }

  private Tensor input(long n) {
    return Tensor.of(pool.slice(2 * n * n, 4 * n * n), StorageFormat.F32, n, n);
  }

  private BoundOperation linear(int n, Arena memory) {
    Tensor weight = Tensor.of(pool.slice(0, 2L * n * n), StorageFormat.BF16, n, n);
    Tensor out = RandomNumbers.floats(device, memory, 0, n, n);
    return device.bind(Linear.of(input(n), Weight.of(weight), ComputeType.BF16, out));
  }

  /** Rows, inputs and outputs of the linear that the arithmetic is measured with. */
  int size() {
    return size;
  }

  @Override
  public double peak(Axes row, PeakMeter meter) {
    return row.text(Axis.COMPUTE).equals("bf16") ? linear() : Double.NaN;
  }

  /** GFLOP/s of the linear, in bf16. */
  double linear() {
    double best = 0;
    for (int i = 0; i < MEASUREMENTS; i++) {
      long nanos = nanos(linear);
      best = Math.max(best, 2.0 * size * size * size / nanos);
    }
    return best;
  }

  @Override
  public double bandwidth(PeakMeter meter) {
    return bandwidth();
  }

  /** GB/s, bytes that are read and bytes that are written. */
  double bandwidth() {
    long half = pool.bytes() / 2;
    MemorySegment from = pool.slice(0, half);
    MemorySegment to = pool.slice(half, half);
    double best = 0;
    for (int i = 0; i < MEASUREMENTS; i++) {
      best = Math.max(best, 2.0 * half / nanos(() -> device.copy(from, 0, to, 0, half)));
    }
    return best;
  }

  private long nanos(BoundOperation operation) {
    return nanos(() -> operation.run());
  }

  private long nanos(Runnable work) {
    device.synchronize();
    long start = System.nanoTime();
    work.run();
    device.synchronize();
    return System.nanoTime() - start;
  }

  @Override
  public boolean areBounds() {
    return false;
  }

  @Override
  public Energy energy() {
    return energy;
  }

  @Override
  public void close() {
    arena.close();
  }
}
