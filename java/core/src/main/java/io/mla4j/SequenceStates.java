package io.mla4j;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The states of one sequence: two of each layer, of which a step reads one and writes the other.
 * The step's commit lets them change places, so that a step that is rolled back has changed
 * nothing. A layer knows how many tokens its state has seen; one that has seen none is empty,
 * whatever its memory holds.
 */
final class SequenceStates {
  private static final int NOT_WRITTEN = -1;

  private final StatePool pool;

  /** Those of layer i are 2 i and 2 i + 1. */
  private final MemorySegment[] versions;

  /** For each layer the version that is committed, the tokens in it, and those after the step. */
  private final int[] current;

  private final int[] tokens;
  private final int[] written;

  /** Memory of its own in {@code arena}. */
  SequenceStates(StatePool pool, Device device, Arena arena, StateLayout layout, int layers) {
    this.pool = pool;
    MemorySegment memory = device.allocate(bytes(layout, layers), arena);
    versions = new MemorySegment[2 * layers];
    for (int i = 0; i < versions.length; i++) {
      versions[i] = memory.asSlice(i * layout.bytes(), layout.bytes());
    }
    current = new int[layers];
    tokens = new int[layers];
    written = new int[layers];
    Arrays.fill(written, NOT_WRITTEN);
  }

  /** Bytes of the states of a sequence. */
  static long bytes(StateLayout layout, int layers) {
    return 2 * layers * layout.bytes();
  }

  /**
   * What a step reads.
   *
   * @param position the tokens before it
   * @throws InvalidStateException where the layer has seen another number of tokens
   */
  MemorySegment before(int layer, int position) {
    if (tokens[layer] != position) {
      throw new InvalidStateException(
          "the state of layer "
              + layer
              + " has seen "
              + tokens[layer]
              + " tokens, but the new ones follow "
              + position);
    }
    return versions[2 * layer + current[layer]];
  }

  /** What a step writes. */
  MemorySegment after(int layer) {
    return versions[2 * layer + 1 - current[layer]];
  }

  /** {@link #after} has become the state after {@code length} tokens. */
  void written(int layer, int length) {
    written[layer] = length;
  }

  /** Makes what was written the state. */
  void commit() {
    for (int i = 0; i < written.length; i++) {
      if (written[i] != NOT_WRITTEN) {
        current[i] = 1 - current[i];
        tokens[i] = written[i];
        written[i] = NOT_WRITTEN;
      }
    }
  }

  /** Forgets what was written. */
  void rollBack() {
    Arrays.fill(written, NOT_WRITTEN);
  }

  /** Forgets all tokens. */
  void clear() {
    Arrays.fill(tokens, 0);
    rollBack();
  }

  /**
   * Others of the same pool that are what these are.
   *
   * @throws Mla4jException where there is not enough memory for more, naming the bytes
   */
  SequenceStates copy(Device device) {
    SequenceStates copy = pool.take();
    try {
      copy.copyFrom(this, device);
    } catch (RuntimeException | Error e) {
      copy.release();
      throw e;
    }
    return copy;
  }

  /** Gives them back to their pool. */
  void release() {
    pool.release(this);
  }

  private void copyFrom(SequenceStates origin, Device device) {
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = origin.tokens[i];
      if (tokens[i] > 0) {
        MemorySegment from = origin.versions[2 * i + origin.current[i]];
        device.copy(from, 0, versions[2 * i + current[i]], 0, from.byteSize());
      }
    }
  }
}
