package io.mla4j.cpu;

import io.mla4j.ops.Linear;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Linear layers with the same input. */
final class RunLinear extends CpuOperation {
  private final Products products;

  RunLinear(Cpu cpu, Linear operation) {
    super(cpu);
    products = new Products(cpu);
    Tensor x = operation.x();
    for (Linear.Projection p : operation.projections()) {
      products
          .add()
          .with(
              operation.compute(),
              p.weight(),
              p.bias() == null ? MemorySegment.NULL : p.bias().segment())
          .from(x.segment(), x.stride(0), MemorySegment.NULL, (int) x.dim(0))
          .to(p.out().segment(), p.out().stride(0));
    }
  }

  @Override
  void place() {
    products.prepare();
  }

  @Override
  void execute(@Nullable PagedView plan) {
    products.run();
  }
}
