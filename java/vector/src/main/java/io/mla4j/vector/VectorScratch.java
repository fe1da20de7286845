package io.mla4j.vector;

/**
 * Float arrays of one thread that only grow, so that a decode loop allocates nothing once it has
 * warmed up.
 */
final class VectorScratch {
  private static final ThreadLocal<VectorScratch> OF_THREAD =
      ThreadLocal.withInitial(VectorScratch::new);

  /** What an array is for; a kernel and those that it calls use different ones. */
  enum Use {
    X,
    Y,
    PANEL,
    TILE_SUMS,
    SUMS,
    CACHED,
    KEYS,
    VALUES,
    QUERIES,
    SCORES,
    OUT,
    ROW_STATE
  }

  private final float[][] arrays = new float[Use.values().length][0];

  private VectorScratch() {}

  static VectorScratch ofThread() {
    return OF_THREAD.get();
  }

  /** At least n floats with unspecified content. */
  float[] floats(Use use, int n) {
    float[] array = arrays[use.ordinal()];
    if (array.length < n) {
      array = new float[n];
      arrays[use.ordinal()] = array;
    }
    return array;
  }
}
