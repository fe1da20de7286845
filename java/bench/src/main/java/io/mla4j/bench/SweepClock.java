package io.mla4j.bench;

import io.mla4j.lab.Converter;
import java.util.Locale;

/** How long a sweep takes: estimated from a trial of its parts, then from how that turned out. */
final class SweepClock {
  /** Tokens that a trial reads. */
  static final int PILOT = 1020;

  private final Costs costs;
  private final int points;
  private final double all;
  private final long start = System.nanoTime();
  private double done;
  private int groups;
  private int measured;

  /**
   * Seconds of the parts.
   *
   * @param read one model reads the text
   * @param types of the cache
   * @param speed one model's speed is measured
   */
  record Costs(double read, int types, double speed, Converter.Times times) {
    /** A conversion under all types, beside the original. */
    double point() {
      return (types + 1) * read + types * speed;
    }
  }

  SweepClock(Costs costs, int points) {
    this.costs = costs;
    this.points = points;
    boolean converts = !costs.times.placements().isEmpty();
    all =
        (converts ? costs.times.calibration() : 0)
            + costs.times.placements().stream().mapToDouble(d -> d + 2 * costs.read).sum()
            + (points + 1) * costs.point();
  }

  /** In words. */
  String estimate() {
    return points + " conversions under " + costs.types + " cache types: about " + words(all);
  }

  void calibrated() {
    done += costs.point() + costs.times.calibration();
  }

  /** A group is placed, and so many of its points are left out. */
  void placed(int leftOut) {
    done += costs.times.placements().get(groups++) + 2 * costs.read + leftOut * costs.point();
    measured += leftOut;
  }

  /** A point is there: what is left, in words. */
  String measured() {
    done += costs.point();
    measured++;
    double spent = (System.nanoTime() - start) / 1e9;
    double left = Math.max(0, all - done) * spent / done;
    return measured + " of " + points + ", about " + words(left) + " left";
  }

  private static String words(double seconds) {
    return seconds < 90
        ? Math.round(seconds) + " s"
        : seconds < 5400
            ? Math.round(seconds / 60) + " min"
            : String.format(Locale.ROOT, "%.1f h", seconds / 3600);
  }
}
