package io.mla4j.bench;

/** What the device of a row can do at best, measured at this moment; NaN where nothing tells. */
interface Limits {
  /**
   * GFLOP/s.
   *
   * @param meter of the processor
   */
  double peak(Axes row, PeakMeter meter);

  /** GB/s of memory that no cache holds. */
  double bandwidth(PeakMeter meter);

  /** Whether no row can beat them. */
  boolean areBounds();

  /** What the device spends. */
  Energy energy();
}
