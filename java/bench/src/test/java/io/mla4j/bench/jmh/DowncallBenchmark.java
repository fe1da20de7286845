package io.mla4j.bench.jmh;

import io.mla4j.Backends;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ffi.NativeKernels;
import io.mla4j.ffi.NativeProbe;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What one call into the library costs: one that does nothing, and a small one with its checks. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class DowncallBenchmark {
  private static final int WIDTH = 16;

  private final Arena arena = Arena.ofShared();
  private CpuDevice device;
  private NativeKernels kernels;
  private MemorySegment x;

  /** Opens the native kernels. */
  @Setup
  public void open() {
    device = (CpuDevice) Backends.open(new Backends.Choice("native", null, 1));
    kernels = (NativeKernels) device.kernels();
    x = device.allocate(4 * WIDTH, arena);
  }

  /** Frees them. */
  @TearDown
  public void close() {
    device.close();
    arena.close();
  }

  /** There and back. */
  @Benchmark
  public Object nothing() {
    return kernels.probe(NativeProbe.FMA_F32, 0, MemorySegment.NULL);
  }

  /** Sixteen additions, the segments checked before and the arguments again behind the call. */
  @Benchmark
  public void addRow() {
    kernels.add(x, WIDTH, x, WIDTH, 1, 1, WIDTH, x, WIDTH);
  }
}
