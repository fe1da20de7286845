package io.mla4j.ops;

/**
 * An operation whose rows do not depend on each other, with its specification in plain Java.
 * Devices that have no faster kernel for it run that, a range of rows at a time.
 */
public interface RowOperation extends Operation {
  /** Rows: n. */
  int rows();

  /** Elements that a row reads and writes, about: they decide how many rows a tile has. */
  long rowElements();

  /**
   * Looks at those operands whose numbers say what else is read, before anything is changed.
   *
   * @throws io.mla4j.InvalidArgumentException where one is out of its range
   */
  default void checkNumbers() {}

  /**
   * Computes rows {@code [begin, end)} in float32, each by one fixed sequence of operations. May be
   * called by several threads at once over different rows; scratch belongs to the calling thread.
   */
  void compute(int begin, int end);
}
