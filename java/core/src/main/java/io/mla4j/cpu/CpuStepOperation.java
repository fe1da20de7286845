package io.mla4j.cpu;

import io.mla4j.DecodePlan;
import io.mla4j.ops.StepOperation;
import io.mla4j.spi.PagedView;
import org.jspecify.annotations.Nullable;

/** An operation on the sequences of a step: it needs the step's plan whenever it runs. */
abstract class CpuStepOperation extends CpuOperation {
  private final StepOperation asked;

  CpuStepOperation(Cpu cpu, StepOperation asked) {
    super(cpu);
    this.asked = asked;
  }

  @Override
  final PagedView check(@Nullable DecodePlan plan) {
    PagedView view = PagedView.of(plan);
    asked.requireFits(view);
    checkStep(view);
    return view;
  }

  @Override
  final void execute(@Nullable PagedView plan) {
    executeStep(PagedView.of(plan));
  }

  /** What has to hold besides, before anything is changed. */
  void checkStep(PagedView plan) {}

  /** Runs the operation on a step that fits; the caller has the turn. */
  abstract void executeStep(PagedView plan);
}
