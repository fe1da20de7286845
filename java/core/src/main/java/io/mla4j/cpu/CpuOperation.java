package io.mla4j.cpu;

import io.mla4j.BoundOperation;
import io.mla4j.DecodePlan;
import io.mla4j.spi.PagedView;
import org.jspecify.annotations.Nullable;

/** An operation on a CPU: the caller's turn, then tiles for {@link Workers}. */
abstract class CpuOperation implements BoundOperation {
  final Cpu cpu;
  private int generation = -1;

  CpuOperation(Cpu cpu) {
    this.cpu = cpu;
  }

  @Override
  public final void run(@Nullable DecodePlan plan) {
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

  private void runPlaced(@Nullable PagedView plan) {
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
  @Nullable PagedView check(@Nullable DecodePlan plan) {
    return null;
  }

  /** Reserves memory and prepares the kernels that use it. Called before the first run, too. */
  void place() {}

  /** Runs the operation; the caller has the turn. */
  abstract void execute(@Nullable PagedView plan);
}
