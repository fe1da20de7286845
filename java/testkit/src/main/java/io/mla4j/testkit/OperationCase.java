package io.mla4j.testkit;

import io.mla4j.ops.RowOperation;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.util.List;

/** One operation with its sizes and inputs, all of which follow from a seed. */
public interface OperationCase {
  /** The sizes in words, for a failure. */
  String shape();

  /** What the oracle says. */
  List<Expectation> expected();

  /**
   * Runs the kernels on guarded, poisoned copies of the inputs.
   *
   * @return results in the order of {@link #expected}
   * @throws AssertionError where an input, a gap between rows or memory around a buffer was changed
   */
  List<Output> run(Kernels kernels, Cuts cuts);

  /**
   * Whether it is what a decoder asks for as a whole; a device with memory of its own computes no
   * other.
   */
  default boolean ofDecoder() {
    return true;
  }

  /**
   * Rows of the results that do not depend on each other: tokens. 0 where a row alone is another
   * case.
   */
  default int rows() {
    return 0;
  }

  /** The same operation for row {@code i} alone. */
  default OperationCase row(int i) {
    throw new UnsupportedOperationException();
  }

  /** Whether all kernels give the same bits: sums of integers in one order. */
  default boolean hasOneResult() {
    return false;
  }

  /** Runs an operation on rows in pieces, telling {@code asked} of each. */
  static void runRows(Kernels kernels, Cuts cuts, RowOperation operation, Asked asked) {
    TileKernel kernel = kernels.bind(operation);
    kernel.prepare();
    for (Cuts.Range r : cuts.ranges(operation.rows(), 1)) {
      if (!cuts.skips()) {
        asked.rows(r.begin(), r.end());
        kernel.run(new Tile().rows(r.begin(), r.end()));
      }
    }
  }

  /** Takes the rows that a kernel is asked for. */
  @FunctionalInterface
  interface Asked {
    /** Rows {@code [begin, end)}. */
    void rows(int begin, int end);
  }

  /** Whether a device with memory of its own keeps its weights as they are. */
  default boolean ofDevices() {
    return true;
  }

  /** Null where the kernels agree with the oracle, else what does not. */
  default String difference(Kernels kernels, Cuts cuts) {
    return difference(kernels, cuts, expected());
  }

  /** The same with {@link #expected}, which takes as long as some kernels. */
  default String difference(Kernels kernels, Cuts cuts, List<Expectation> expected) {
    List<Output> outputs;
    try {
      outputs = run(kernels, cuts);
    } catch (AssertionError | RuntimeException e) {
      StackTraceElement[] trace = e.getStackTrace();
      return e + (trace.length == 0 ? "" : " at " + trace[0]);
    }
    for (int i = 0; i < expected.size(); i++) {
      String difference = expected.get(i).difference(outputs.get(i));
      if (difference != null) {
        return difference;
      }
    }
    return null;
  }
}
