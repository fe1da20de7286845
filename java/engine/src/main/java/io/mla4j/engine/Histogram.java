package io.mla4j.engine;

/**
 * How often something took how long.
 *
 * @param bounds seconds, ascending: upper bounds, each included
 * @param counts (bounds + 1) how often it took at most that long and longer than the bound before;
 *     the last one longer than all
 * @param sum seconds of all
 */
public record Histogram(double[] bounds, long[] counts, double sum) {
  /** How many in all. */
  public long count() {
    long all = 0;
    for (long count : counts) {
      all += count;
    }
    return all;
  }
}
