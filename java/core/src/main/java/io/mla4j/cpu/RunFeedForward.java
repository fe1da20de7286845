package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Gate;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A network: gate and up, activation, down. */
final class RunFeedForward extends CpuOperation {
  private final FeedForward operation;
  private final Products inner;
  private final Products down;
  private RowTiles activate;

  RunFeedForward(Cpu cpu, FeedForward operation) {
    super(cpu);
    this.operation = operation;
    inner = new Products(cpu);
    down = new Products(cpu);
  }

  @Override
  void place() {
    Tensor x = operation.x();
    Tensor out = operation.out();
    FeedForward.Weights w = operation.weights();
    ComputeType compute = operation.compute();
    int n = (int) x.dim(0);
    int width = w.up().out();
    long bytes = (long) n * width * Float.BYTES;
    cpu.memory.reserve(2 * bytes);
    Tensor gate = Tensor.of(cpu.memory.view(0, bytes), StorageFormat.F32, n, width);
    Tensor up = Tensor.of(cpu.memory.view(bytes, bytes), StorageFormat.F32, n, width);
    inner.begin();
    if (w.gate() == null) {
      add(inner, compute, w.up(), x, gate);
      activate = new RowTiles(cpu, new Gate(gate, gate, Gate.Function.RELU, gate));
    } else {
      add(inner, compute, w.gate(), x, gate);
      add(inner, compute, w.up(), x, up);
      activate = new RowTiles(cpu, new SwiGlu(gate, up, w.limit(), gate));
    }
    inner.prepare();
    down.begin();
    add(down, compute, w.down(), gate, out);
    down.prepare();
  }

  private static void add(
      Products products, ComputeType compute, Weight weight, Tensor x, Tensor out) {
    products
        .add()
        .with(compute, weight, MemorySegment.NULL)
        .from(x.segment(), x.stride(0), MemorySegment.NULL, (int) x.dim(0))
        .to(out.segment(), out.stride(0));
  }

  @Override
  void execute(@Nullable PagedView plan) {
    inner.run();
    activate.run();
    down.run();
  }
}
