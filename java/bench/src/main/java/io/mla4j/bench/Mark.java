package io.mla4j.bench;

import java.util.ArrayList;
import java.util.List;

/** Why small differences of a row's figures mean nothing. */
public enum Mark {
  /** The times of its samples spread. */
  NOISY("noisy"),
  /** What was measured for the limit that it is nearer to spreads. */
  NOISY_LIMIT("noisy limit"),
  /** It seems to do more than the processor can: that limit was measured in bad moments. */
  ABOVE_LIMIT("above limit"),
  /** It was still getting faster when its samples were taken. */
  NOT_WARM("not warm");

  /** More than the spread of measurements that are good. */
  private static final double MOST_SHARE = 1.05;

  private final String text;

  Mark(String text) {
    this.text = text;
  }

  /**
   * What the samples of a row say beyond their times.
   *
   * @param settled whether its times settled before the first sample
   * @param areBounds whether its limits cannot be beaten
   * @param peaks all that were measured for the row
   * @param bandwidths all that were measured for the row
   */
  static List<Mark> of(
      Row row, boolean settled, boolean areBounds, double[] peaks, double[] bandwidths) {
    List<Mark> marks = new ArrayList<>();
    double ofPeak = row.shareOfPeak() == null ? 0 : row.shareOfPeak();
    double ofBandwidth = row.shareOfBandwidth() == null ? 0 : row.shareOfBandwidth();
    double[] nearer = ofBandwidth > ofPeak ? bandwidths : peaks;
    if (Statistics.isNoisy(nearer)) {
      marks.add(NOISY_LIMIT);
    }
    if (areBounds && Math.max(ofPeak, ofBandwidth) > MOST_SHARE) {
      marks.add(ABOVE_LIMIT);
    }
    if (!settled) {
      marks.add(NOT_WARM);
    }
    return marks;
  }

  @Override
  public String toString() {
    return text;
  }
}
