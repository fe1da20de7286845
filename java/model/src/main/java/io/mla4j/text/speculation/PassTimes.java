package io.mla4j.text.speculation;

import java.util.Arrays;

/**
 * How long passes of so many rows take, measured while texts are written. Knows no clock: whoever
 * uses it measures. Belongs to one thread at a time.
 */
public final class PassTimes {
  /** Plain passes whose time is taken before anything is guessed; the first warms up. */
  private static final int FIRST_PLAIN = 3;

  /** Weight of the last measurement. */
  private static final double FRESH = 0.2;

  /**
   * What a row more takes where it was never measured, in passes of the fewest rows: an optimist's
   * guess.
   */
  private static final double UNKNOWN_ROW = 0.04;

  /** What a plain pass takes of what others seemed to take more. */
  private static final double FORGOTTEN = 0.005;

  /** Nanoseconds of a pass by its rows; 0 where it was not measured. */
  private final double[] nanos;

  /** Passes by rows, the first of which is not counted: it makes what later ones use. */
  private final int[] passes;

  /** Of passes with up to {@code most} rows. */
  public PassTimes(int most) {
    nanos = new double[most + 1];
    passes = new int[most + 1];
  }

  /**
   * A pass was run.
   *
   * @param plain whether nothing was guessed: as texts grow, or the machine slows down, longer
   *     passes change with plain ones
   */
  public void ran(int rows, boolean plain, double time) {
    ran(rows, plain, time, FRESH);
  }

  /**
   * As above.
   *
   * @param fresh weight of this measurement
   */
  void ran(int rows, boolean plain, double time, double fresh) {
    passes[rows]++;
    if (passes[rows] == 1) {
      return;
    }
    double last = nanos[rows];
    double most = last == 0 ? time : Math.min(time, 2 * last);
    double next = last == 0 ? most : last + fresh * (most - last);
    if (plain && last > 0) {
      double change = next / last;
      Arrays.setAll(nanos, i -> nanos[i] * change);
    }
    nanos[rows] = next;
  }

  /** Whether plain passes of so many rows are known well enough to guess beside them. */
  public boolean knowsPlain(int rows) {
    return passes[rows] >= FIRST_PLAIN;
  }

  /** Whether a pass of so many rows was run that counts. */
  public boolean isMeasured(int rows) {
    return passes[rows] > 1;
  }

  /** Nanoseconds of a pass of so many rows, measured or estimated from the nearest that were. */
  public double nanos(int rows) {
    if (nanos[rows] > 0) {
      return nanos[rows];
    }
    int below = rows;
    while (below > 0 && nanos[below] == 0) {
      below--;
    }
    int above = rows;
    while (above < nanos.length && nanos[above] == 0) {
      above++;
    }
    double low = nanos[below];
    return above == nanos.length
        ? low + (rows - below) * unknownRow(below)
        : low + (nanos[above] - low) * (rows - below) / (above - below);
  }

  /** What a row more than the most that were measured takes: half of what the last ones took. */
  private double unknownRow(int most) {
    int fewest = fewest();
    double least = UNKNOWN_ROW * nanos[fewest];
    int below = most - 1;
    while (below > fewest && nanos[below] == 0) {
      below--;
    }
    return below < fewest
        ? least
        : Math.max(least, (nanos[most] - nanos[below]) / (most - below) / 2);
  }

  /** Longer passes than plain ones were not run for a while: they may take less by now. */
  void forget(int plain) {
    for (int rows = plain + 1; rows < nanos.length; rows++) {
      if (nanos[rows] > 0) {
        nanos[rows] += FORGOTTEN * (nanos[plain] - nanos[rows]);
      }
    }
  }

  private int fewest() {
    int rows = 1;
    while (rows < nanos.length - 1 && nanos[rows] == 0) {
      rows++;
    }
    return rows;
  }

  /**
   * The most rows of which something can be said: a row's time is not known far beyond what was
   * measured.
   */
  public int horizon() {
    int rows = nanos.length - 1;
    while (rows > 1 && nanos[rows] == 0) {
      rows--;
    }
    return Math.min(2 * rows, nanos.length - 1);
  }
}
