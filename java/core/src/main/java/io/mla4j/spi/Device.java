package io.mla4j.spi;

import io.mla4j.ComputeType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A processor that computes {@link Ops} on memory that it can reach.
 *
 * <p>Thread-safe. One operation runs at a time; callers wait for their turn.
 */
public interface Device extends AutoCloseable {
  /** The backend's name: {@code scalar}, {@code vector}, {@code native}, {@code cuda}. */
  String backend();

  /** The instruction set in use, by name. */
  String isa();

  /** Threads that take part in an operation, the caller included. */
  int threads();

  /** The compute type that is faster here. */
  ComputeType preferredComputeType();

  /** What the forms of attention cost here. */
  default AttentionCosts attentionCosts() {
    return AttentionCosts.EVEN;
  }

  /** Whether Java may read and write the memory of {@link #allocate}. */
  boolean hostAccessible();

  /**
   * Zeroed memory, aligned to 64 bytes, freed when {@code arena} closes. On a device without host
   * access the segment has length 0 and carries only the address.
   *
   * @throws io.mla4j.Mla4jException where there is not enough memory, naming the bytes
   */
  MemorySegment allocate(long bytes, Arena arena);

  /** Copies bytes between two segments of {@link #allocate}, after the operations before it. */
  void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes);

  /** The operations. */
  Ops ops();

  /** Stops the threads; waits for an operation that runs. Closing twice is harmless. */
  @Override
  void close();
}
