package io.mla4j.bench.jmh;

import io.mla4j.Backends;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ffi.NativeKernels;
import io.mla4j.ffi.NativeProbe;
import io.mla4j.ops.Add;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
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
  private final Tile tile = new Tile().rows(0, 1);
  private TileKernel add;

  /** Opens the native kernels. */
  @Setup
  public void open() {
    device = (CpuDevice) Backends.open(new Backends.Choice("native", null, 1));
    kernels = (NativeKernels) device.kernels();
    MemorySegment memory = device.allocate(4 * WIDTH, arena);
    Tensor x = Tensor.of(memory, StorageFormat.F32, 1, WIDTH);
    add = kernels.bind(new Add(x, x, 1, x));
    add.prepare();
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

  /** Sixteen additions, of segments that were checked before; the library looks at the numbers. */
  @Benchmark
  public void addRow() {
    add.run(tile);
  }
}
