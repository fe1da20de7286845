package io.mla4j;

import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * The states of a pool's sequences. Those of as many sequences as it was made for are there from
 * the start; more are allocated when they are asked for and kept. Belongs to whoever has the lock
 * of the cache.
 */
final class StatePool {
  private final Device device;
  private final Arena arena;
  private final StateLayout layout;
  private final int layers;
  private final Deque<SequenceStates> free = new ArrayDeque<>();
  private int made;

  /** States of {@code sequences} sequences in memory of {@code arena}. */
  StatePool(Device device, Arena arena, StateLayout layout, int layers, int sequences) {
    this.device = device;
    this.arena = arena;
    this.layout = layout;
    this.layers = layers;
    for (int i = 0; i < sequences; i++) {
      free.add(make());
    }
  }

  private SequenceStates make() {
    SequenceStates states = new SequenceStates(this, device, arena, layout, layers);
    made++;
    return states;
  }

  StateLayout layout() {
    return layout;
  }

  int layers() {
    return layers;
  }

  /** Bytes of all states, in use or not. */
  long bytes() {
    return made * SequenceStates.bytes(layout, layers);
  }

  /**
   * Empty states.
   *
   * @throws Mla4jException where there is not enough memory for more, naming the bytes
   */
  SequenceStates take() {
    SequenceStates states = free.poll();
    if (states == null) {
      return make();
    }
    states.clear();
    return states;
  }

  void release(SequenceStates states) {
    free.push(states);
  }
}
