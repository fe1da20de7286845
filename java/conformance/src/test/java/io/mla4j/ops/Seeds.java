package io.mla4j.ops;

import io.mla4j.testkit.QuickRun;
import java.util.stream.LongStream;

/** The seeds of random cases: fixed ones, and new ones in every run. */
final class Seeds {
  /** Runs one seed alone: the one that a failure printed. */
  private static final String PROPERTY = "mla4j.test.seed";

  private static final long FRESH = System.nanoTime() & 0xffff_ffffL;

  private Seeds() {}

  /**
   * {@code 0 .. fixed - 1} and as many as {@code fresh} of this run; the one of the property
   * instead, if given.
   */
  static long[] of(int fixed, int fresh) {
    Long only = Long.getLong(PROPERTY);
    if (only != null) {
      return new long[] {only};
    }
    return LongStream.concat(
            LongStream.range(0, QuickRun.part(fixed)),
            LongStream.range(FRESH, FRESH + QuickRun.part(fresh)))
        .toArray();
  }

  /** What a failure says about its seed. */
  static String reproduce(long seed) {
    return "seed " + seed + " (-D" + PROPERTY + "=" + seed + ")";
  }
}
