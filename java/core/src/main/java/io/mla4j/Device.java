package io.mla4j;

import io.mla4j.ops.Operation;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A processor that computes {@link Operation}s on memory that it can reach.
 *
 * <p>Thread-safe. One operation runs at a time; callers wait for their turn.
 */
public interface Device extends AutoCloseable {
  /** The name of its backend, one of {@link Backends#names}. */
  String backend();

  /** The instruction set in use, by name. */
  String isa();

  /** Threads that take part in an operation, the caller included. */
  int threads();

  /** The compute type that is faster here, with weights that are not quantised. */
  ComputeType preferredComputeType();

  /** The compute type that is faster here, with weights that are or are not quantised. */
  default ComputeType preferredComputeType(boolean quantised) {
    return preferredComputeType();
  }

  /** What the forms of attention cost here. */
  default AttentionCosts attentionCosts() {
    return AttentionCosts.EVEN;
  }

  /** Whether Java may read and write the memory of {@link #allocate}. */
  boolean hostAccessible();

  /**
   * Zeroed memory, aligned to 64 bytes, freed when {@code arena} closes. On a device without host
   * access no thread may touch the segment ({@link MemorySegment#isAccessibleBy} is false): reading
   * or writing it from Java throws {@link WrongThreadException}, while its address, size and slices
   * are those of the device's memory.
   *
   * @throws io.mla4j.Mla4jException where there is not enough memory, naming the bytes
   */
  MemorySegment allocate(long bytes, Arena arena);

  /** Bytes that {@link #allocate} may still give, as far as the device tells. */
  default long freeMemory() {
    return Long.MAX_VALUE;
  }

  /**
   * Has memory of {@link #allocate} take up as little as its use allows: what was never written to
   * takes up nothing, in the smallest pages of the system rather than huge ones.
   *
   * @return whether the device can arrange that
   */
  default boolean commitOnTouch(MemorySegment memory) {
    return false;
  }

  /**
   * Gives the whole pages of memory of {@link #allocate} back to the system. Their bytes are zero
   * then, or what they were where the device cannot do that; writing to them takes pages again.
   *
   * @return whether the device can give memory back
   */
  default boolean giveBack(MemorySegment memory) {
    return false;
  }

  /**
   * Copies bytes between two segments, each of {@link #allocate} or of the host, after the
   * operations before it. When it returns, memory of the host may be read or overwritten.
   */
  void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes);

  /**
   * Weights where the operations read them. A device that reads the host's memory takes them as
   * they are; another one gets copies, one behind the other in memory of {@code arena}, in a type
   * that it multiplies with {@code compute}. Those of a mixture's experts are placed together: all
   * gates, all ups, all downs.
   */
  default List<Weight> place(List<Weight> weights, ComputeType compute, Arena arena) {
    return weights;
  }

  /** The bytes that {@link #place} allocates for a weight. */
  default long placedBytes(Weight weight, ComputeType compute) {
    return 0;
  }

  /**
   * Watches memory that is mapped from a file. What reads a page that the file has lost meanwhile,
   * because somebody made it shorter, reads zeros then and goes on, where the device can arrange
   * that; else such a read ends the process, or throws {@link InternalError} where Java reads.
   *
   * @return to be closed before the memory is unmapped
   */
  default MappedWatch watch(MemorySegment mapped) {
    return MappedWatch.NONE;
  }

  /**
   * Reads segments, as a rule parts of mapped files, and keeps them in memory whatever else needs
   * it. A device with memory of its own reads its copies, and keeps nothing.
   *
   * @throws Mla4jException where the system forbids it, naming the bytes and its limit
   */
  default PinnedMemory pin(List<MemorySegment> segments) {
    return PinnedMemory.NONE;
  }

  /**
   * Makes an operation ready to run, any number of times.
   *
   * @throws io.mla4j.InvalidArgumentException where it is null, or an operand is of a format or in
   *     memory that the device cannot compute with, naming the operand
   * @throws BackendException where the device lacks the operation, with its name
   */
  BoundOperation bind(Operation operation);

  /** Binds an operation that needs no plan and runs it once. */
  default void run(Operation operation) {
    bind(operation).run();
  }

  /** Binds an operation on a layer of the cache and runs it once. */
  default void run(Operation operation, DecodePlan plan) {
    bind(operation).run(plan);
  }

  /**
   * Whether the device has {@link io.mla4j.ops.Argmax} and {@link io.mla4j.ops.Sample}: then logits
   * need not come back to choose a token.
   */
  default boolean choosesTokens() {
    return false;
  }

  /**
   * Waits for an operation that runs and frees what the device keeps. Closing twice is harmless.
   */
  @Override
  void close();
}
