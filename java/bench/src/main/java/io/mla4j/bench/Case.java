package io.mla4j.bench;

import io.mla4j.cpu.Workers;

/** Something that can be run again and again: a row before it is measured. */
abstract class Case implements AutoCloseable {
  final Axes axes;
  final Work work;

  Case(Axes axes, Work work) {
    this.axes = axes;
    this.work = work;
  }

  /** The threads that run it. */
  abstract Workers workers();

  /** One operation. */
  abstract void run();

  /** The row's own peak in GFLOP/s, measured now. */
  abstract double measurePeak(PeakMeter meter);

  /** Whether memory can bound it, so that its share of the bandwidth means something. */
  abstract boolean isBoundByMemory();

  /**
   * Compares the result of {@link #run} with the oracle.
   *
   * @throws BenchException where it is wrong
   */
  abstract void verify();

  /** Whether {@link #verify} compares anything. */
  boolean isVerifiable() {
    return true;
  }

  /** How many operations {@link #run} does. */
  int operationsOfARun() {
    return 1;
  }

  /** Tokens that an operation reads or writes, or 0 where rows are no tokens of a model. */
  double tokensOfAnOperation() {
    return 0;
  }

  /** What a person is told about it. */
  String label() {
    return String.join(
        " ",
        axes.benchmark(),
        axes.kind() == null ? "" : axes.kind(),
        axes.backend(),
        axes.isa(),
        axes.heads() == 0 ? "" : axes.heads() + " heads",
        axes.tokens() + " tokens",
        axes.threads() + " threads");
  }

  @Override
  public void close() {}
}
