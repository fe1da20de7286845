package io.mla4j.spi;

/**
 * An operation bound to kernels, run piece by piece. Computes each element by one fixed sequence of
 * operations whatever the ranges of the tile; the one exception is how the heads and queries of an
 * attention are cut, as {@code mla.h} says.
 *
 * <p>{@link #run} may be called by any number of threads at once with tiles of their own and
 * disjoint results, but not beside {@link #prepare}.
 */
@FunctionalInterface
public interface TileKernel {
  /**
   * Looks at the operands and fills what a call passes on. To be called before the first run, and
   * again where an operand that is no constant of the operation has changed.
   *
   * @throws io.mla4j.InvalidArgumentException where an operand is too small or is not what the
   *     kernels take, naming it
   */
  default void prepare() {}

  /** Bytes of workspace that a run needs; for {@link Pack} and {@link Multiply} the packed rows. */
  default long workspaceBytes() {
    return 0;
  }

  /**
   * Computes a piece.
   *
   * @throws io.mla4j.InvalidArgumentException where an id that is read is outside of its range, or
   *     the kernels refuse the ranges
   */
  void run(Tile tile);
}
