package io.mla4j.cpu;

import io.mla4j.DecodePlan;
import io.mla4j.ops.RowOperation;
import io.mla4j.spi.PagedView;
import org.jspecify.annotations.Nullable;

/** Any operation on rows. */
final class RunRows extends CpuOperation {
  private final RowOperation operation;
  private final RowTiles tiles;

  RunRows(Cpu cpu, RowOperation operation) {
    super(cpu);
    this.operation = operation;
    tiles = new RowTiles(cpu, operation);
  }

  @Override
  @Nullable PagedView check(@Nullable DecodePlan plan) {
    operation.checkNumbers();
    return null;
  }

  @Override
  void execute(@Nullable PagedView plan) {
    tiles.run();
  }
}
