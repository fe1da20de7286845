package io.mla4j.vector;

/**
 * One float array of a thread, which kernels cut into regions that begin on cache lines. It only
 * grows, so that a decode loop allocates nothing once it has warmed up.
 *
 * <p>A vector of 512 bits that straddles two cache lines costs two loads, and tiles then run at two
 * thirds of the speed. Java cannot ask for alignment, but G1 puts an array of this size at the
 * start of a region of its own, where the elements begin 16 bytes after a cache line. With another
 * collector only the speed differs.
 */
final class Slab {
  /** Where the first region begins: 16 bytes of header and these 12 floats are a cache line. */
  static final int START = 12;

  /** 2 MiB: a region of its own where regions are up to 4 MiB, which is a heap of 8 GiB. */
  private static final int MIN_FLOATS = 1 << 19;

  private static final int CACHE_LINE_FLOATS = 16;

  private static final ThreadLocal<Slab> OF_THREAD = ThreadLocal.withInitial(Slab::new);

  private float[] floats = new float[0];

  private Slab() {}

  /**
   * An array of at least n floats with unspecified content; the one that the thread got before,
   * where it is long enough.
   */
  static float[] ofThread(int n) {
    Slab slab = OF_THREAD.get();
    if (slab.floats.length < n) {
      slab.floats = new float[Math.max(n + n / 4, MIN_FLOATS)];
    }
    return slab.floats;
  }

  /** Where the region after n floats at {@code at} begins. */
  static int after(int at, int n) {
    return at + roundUp(n);
  }

  /** n rounded up to whole cache lines: a row length that keeps rows aligned. */
  static int roundUp(int n) {
    return (n + CACHE_LINE_FLOATS - 1) / CACHE_LINE_FLOATS * CACHE_LINE_FLOATS;
  }
}
