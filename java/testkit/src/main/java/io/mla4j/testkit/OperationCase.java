package io.mla4j.testkit;

import io.mla4j.spi.TileKernels;
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
  List<Output> run(TileKernels kernels, Cuts cuts);

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

  /** Null where the kernels agree with the oracle, else what does not. */
  default String difference(TileKernels kernels, Cuts cuts) {
    List<Output> outputs;
    try {
      outputs = run(kernels, cuts);
    } catch (AssertionError | RuntimeException e) {
      StackTraceElement[] trace = e.getStackTrace();
      return e + (trace.length == 0 ? "" : " at " + trace[0]);
    }
    List<Expectation> expected = expected();
    for (int i = 0; i < expected.size(); i++) {
      String difference = expected.get(i).difference(outputs.get(i));
      if (difference != null) {
        return difference;
      }
    }
    return null;
  }
}
