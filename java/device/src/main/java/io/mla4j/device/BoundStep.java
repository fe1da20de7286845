package io.mla4j.device;

import io.mla4j.BoundOperation;
import io.mla4j.DecodePlan;
import io.mla4j.ops.StepOperation;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;

/** An operation on a layer of the cache, on the pages of whatever step it runs in. */
final class BoundStep implements BoundOperation {
  private final Accelerator device;
  private final StepOperation operation;
  private final Work work;

  /** What is launched, in the device's turn. */
  @FunctionalInterface
  interface Work {
    /** {@code cache}: the layer's pages, as calls take them. */
    void launch(PagedView view, MemorySegment cache);
  }

  BoundStep(Accelerator device, StepOperation operation, Work work) {
    this.device = device;
    this.operation = operation;
    this.work = work;
  }

  @Override
  public void run(DecodePlan plan) {
    operation.requireFits(plan);
    PagedView view = PagedView.of(plan);
    // The lease comes first: whoever holds the pool's lock may wait for the device's turn.
    try (PagedView.Lease _ = view.acquire();
        Accelerator.Turn _ = device.turn()) {
      work.launch(view, device.resolve("the cache", view.layerBase(operation.layer())));
    }
  }
}
