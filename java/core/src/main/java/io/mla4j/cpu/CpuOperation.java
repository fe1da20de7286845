package io.mla4j.cpu;

import io.mla4j.BoundOperation;
import io.mla4j.DecodePlan;
import io.mla4j.ops.StepOperation;
import io.mla4j.spi.PagedView;

/** An operation on a CPU: the caller's turn, then tiles for {@link Workers}. */
abstract class CpuOperation implements BoundOperation {
  final Cpu cpu;
  private int generation = -1;

  CpuOperation(Cpu cpu) {
    this.cpu = cpu;
  }

  @Override
  public final void run(DecodePlan plan) {
    PagedView view = check(plan);
    Workers workers = cpu.workers;
    if (!workers.enter()) {
      workers.handOver(() -> run(plan));
      return;
    }
    try {
      if (view == null) {
        runPlaced(null);
      } else {
        try (PagedView.Lease _ = view.acquire()) {
          runPlaced(view);
        }
      }
    } finally {
      workers.leave();
    }
  }

  private void runPlaced(PagedView plan) {
    placeWhereMoved();
    execute(plan);
  }

  /** Makes everything anew that lies in memory which has moved. */
  final void placeWhereMoved() {
    // A part may ask for more memory than those before it, which are then placed anew.
    while (generation != cpu.generation()) {
      generation = cpu.generation();
      place();
    }
  }

  /** What has to hold before anything is changed; the view of the plan, where one is needed. */
  PagedView check(DecodePlan plan) {
    return null;
  }

  /** The view of a plan that fits. */
  static PagedView fitting(StepOperation operation, DecodePlan plan) {
    operation.requireFits(plan);
    return PagedView.of(plan);
  }

  /** Reserves memory and prepares the kernels that use it. Called before the first run, too. */
  void place() {}

  /** Runs the operation; the caller has the turn. */
  abstract void execute(PagedView plan);
}
