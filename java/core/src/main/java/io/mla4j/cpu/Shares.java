package io.mla4j.cpu;

import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Which tile of a product a worker takes next: as long as there are any, those of its own share,
 * which are neighbours. So a thread reads a weight from one place on, and what it fetched ahead at
 * the end of a tile is what it computes with in the next one. Whoever has done with its share helps
 * the others with theirs.
 */
final class Shares {
  /** Counters are so far apart that no two lie in one cache line or neighbouring ones. */
  private static final int STRIDE = 32;

  private final int workers;
  private final AtomicIntegerArray taken;
  private int tiles;
  private int large;

  /** Shares of {@code workers} workers. */
  Shares(int workers) {
    this.workers = workers;
    taken = new AtomicIntegerArray(workers * STRIDE);
  }

  /**
   * Cuts {@code tiles} tiles into shares: of the first {@code large} ones, and after them of the
   * others, small ones that let all workers end together, each has a run.
   */
  void cut(int tiles, int large) {
    this.tiles = tiles;
    this.large = large;
  }

  /** All tiles are to be taken again. Not while any is. */
  void begin() {
    for (int i = 0; i < workers; i++) {
      taken.set(i * STRIDE, 0);
    }
  }

  /** A tile that was not taken since {@link #begin}; at most as many calls as there are tiles. */
  int next(int worker) {
    for (int i = 0; i < workers; i++) {
      int owner = (worker + i) % workers;
      int ofLarge = part(owner + 1, large) - part(owner, large);
      int ofSmall = part(owner + 1, tiles - large) - part(owner, tiles - large);
      int place = taken.getAndIncrement(owner * STRIDE);
      if (place < ofLarge) {
        return part(owner, large) + place;
      }
      if (place < ofLarge + ofSmall) {
        return large + part(owner, tiles - large) + place - ofLarge;
      }
    }
    throw new IllegalStateException("all " + tiles + " tiles were taken");
  }

  /** Where the run of a worker begins among {@code count} tiles. */
  private int part(int worker, int count) {
    return (int) ((long) count * worker / workers);
  }
}
