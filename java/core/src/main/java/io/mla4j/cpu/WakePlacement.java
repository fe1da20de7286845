package io.mla4j.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * Where a parked thread wakes up: not on the processor of the thread that wakes it. That one goes
 * on computing, and a scheduler that packs threads on few processors leaves both on one for
 * milliseconds. The thread itself takes the restriction back as soon as it has nothing to do.
 */
final class WakePlacement {
  private final Affinity affinity;
  private final int thread;

  // Masks that are kept, and nothing but loops over them: this code is called so rarely that it may
  // still be interpreted, while two threads wait for it.
  private final MemorySegment all;
  private final MemorySegment others;

  private volatile boolean kept;

  private WakePlacement(Affinity affinity) {
    this.affinity = affinity;
    this.thread = affinity.thread();
    Arena arena = Arena.ofAuto();
    all = arena.allocate(Affinity.MASK_BYTES, Long.BYTES);
    others = arena.allocate(Affinity.MASK_BYTES, Long.BYTES);
  }

  /** Of the calling thread; empty where the system has no such functions. */
  static Optional<WakePlacement> ofThisThread() {
    return Affinity.ofSystem().map(WakePlacement::new);
  }

  /** Called by the thread that is about to wake this one; one at a time. */
  void keepOffThisProcessor() {
    if (kept) {
      return; // woken before and not awake yet
    }
    int own = affinity.processor();
    if (own < 0 || own >= 8 * Affinity.MASK_BYTES || !affinity.processors(thread, all)) {
      return;
    }
    boolean any = false;
    for (int i = 0; i < Affinity.MASK_BYTES / Long.BYTES; i++) {
      long bits = all.getAtIndex(ValueLayout.JAVA_LONG, i);
      if (i == own / Long.SIZE) {
        if ((bits & 1L << own) == 0) {
          return;
        }
        bits &= ~(1L << own);
      }
      any |= bits != 0;
      others.setAtIndex(ValueLayout.JAVA_LONG, i, bits);
    }
    kept = any && affinity.setProcessors(thread, others);
  }

  /** Called by this thread. The mask first: whoever sees it free must find the mask whole. */
  void release() {
    if (kept) {
      affinity.setProcessors(thread, all);
      kept = false;
    }
  }
}
