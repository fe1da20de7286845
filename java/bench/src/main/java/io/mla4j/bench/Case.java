package io.mla4j.bench;

/** Something that can be run again and again: a row before it is measured. */
abstract class Case implements AutoCloseable {
  final Axes axes;
  final Work work;
  final Limits limits;

  Case(Axes axes, Work work, Limits limits) {
    this.axes = axes;
    this.work = work;
    this.limits = limits;
  }

  /** As many operations as {@link #operationsOfARun}. */
  abstract void run();

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
    return axes.label();
  }

  @Override
  public void close() {}
}
