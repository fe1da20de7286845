package io.mla4j.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;

/**
 * Takes samples: repetitions outside, rows inside, so that a slow moment of the machine meets all
 * rows alike; the peaks just before and after every sample.
 */
final class Runner {
  /** Keeps the times of a sample in memory; only runs of less than 40 ns would be more. */
  private static final int MAX_RUNS = 1 << 20;

  /** What part of a warm-up code needs that has run before. */
  private static final int SHORT_WARM_UP = 16;

  /** How much longer than the least a warm-up may take until times settle. */
  private static final int LONG_WARM_UP = 8;

  private final Settings settings;
  private final PeakMeter meter;
  private final Progress progress;
  private final BooleanSupplier stopped;
  private final LongSupplier clock;
  private final WarmUp warmUp;
  private final Set<Axes> warmedUp = new HashSet<>();
  private final Map<Case, Samples> samples = new LinkedHashMap<>();

  /**
   * @param meter of the processor; null where no row is of it
   */
  Runner(Settings settings, PeakMeter meter, Progress progress, BooleanSupplier stopped) {
    this(settings, meter, progress, stopped, System::nanoTime, Compilers::areBusy);
  }

  /**
   * @param clock nanoseconds
   * @param compiles whether the JVM compiles at this moment
   */
  Runner(
      Settings settings,
      PeakMeter meter,
      Progress progress,
      BooleanSupplier stopped,
      LongSupplier clock,
      BooleanSupplier compiles) {
    this.settings = settings;
    this.meter = meter;
    this.progress = progress;
    this.stopped = stopped;
    this.clock = clock;
    warmUp = new WarmUp(clock, compiles);
  }

  /** The samples of one case. */
  private static final class Samples {
    final List<Double> nanos = new ArrayList<>();
    final List<Double> joules = new ArrayList<>();

    /** Before and after each sample. */
    final List<Double> peaks = new ArrayList<>();

    final List<Double> bandwidths = new ArrayList<>();
    boolean settled;
    boolean verified;
  }

  /** Rows of all cases that have a sample; all of them, unless stopped. */
  List<Row> run(List<Case> cases) {
    cases.forEach(this::add);
    long total = (long) cases.size() * (settings.repetitions() + 1);
    long done = 0;
    for (Case c : cases) {
      progress.at(done++, total, c.label());
      if (!stopped.getAsBoolean()) {
        samples.get(c).settled = warmUp(c);
        // Somebody else's kernels are never timed before they were found right.
        boolean verifies = settings.verify() || c.axes.text(Axis.LIBRARY) != null;
        if (verifies && c.isVerifiable()) {
          c.verify();
          samples.get(c).verified = true;
        }
      }
    }
    for (int repetition = 0; repetition < settings.repetitions(); repetition++) {
      for (int i = 0; i < cases.size() && !stopped.getAsBoolean(); i++) {
        progress.at(done++, total, cases.get(i).label());
        sample(cases.get(i), samples.get(cases.get(i)));
      }
    }
    progress.at(total, total, "");
    return rows();
  }

  private synchronized void add(Case c) {
    samples.put(c, new Samples());
  }

  /** Rows of all cases that have a sample by now; another thread may ask while this one runs. */
  synchronized List<Row> rows() {
    List<Row> rows = new ArrayList<>();
    samples.forEach(
        (c, taken) -> {
          if (!taken.nanos.isEmpty()) {
            rows.add(row(c, taken));
          }
        });
    return rows;
  }

  /** Long for the first row of its sort, less for the next ones; whether its times settled. */
  private boolean warmUp(Case c) {
    boolean isNew = warmedUp.add(c.axes.code());
    long least = settings.warmUpNanos() / (isNew ? 1 : SHORT_WARM_UP);
    return warmUp.run(c::run, least, LONG_WARM_UP * settings.warmUpNanos(), stopped);
  }

  private void sample(Case c, Samples samples) {
    double peakBefore = c.limits.peak(c.axes, meter);
    double bandwidthBefore = c.limits.bandwidth(meter);
    if (c.axes.isWarm()) {
      c.run(); // the limits have taken the caches
    }
    double[] nanos = new double[64];
    int count = 0;
    long spent = 0;
    Energy energy = c.limits.energy();
    long[] energyBefore = energy.counters();
    while (count < MAX_RUNS && (count == 0 || spent < settings.sampleNanos())) {
      if (count == nanos.length) {
        nanos = Arrays.copyOf(nanos, 2 * count);
      }
      long start = clock.getAsLong();
      c.run();
      long time = clock.getAsLong() - start;
      nanos[count++] = (double) time / c.operationsOfARun();
      spent += time;
    }
    double joules = energy.joules(energyBefore, energy.counters()) / (count * c.operationsOfARun());
    double peakAfter = c.limits.peak(c.axes, meter);
    double bandwidthAfter = c.limits.bandwidth(meter);
    synchronized (this) {
      samples.joules.add(joules);
      samples.nanos.add(Statistics.median(Arrays.copyOf(nanos, count)));
      Collections.addAll(samples.peaks, peakBefore, peakAfter);
      Collections.addAll(samples.bandwidths, bandwidthBefore, bandwidthAfter);
    }
  }

  private static Row row(Case c, Samples s) {
    double[] peaks = array(s.peaks);
    double[] bandwidths = array(s.bandwidths);
    Row row =
        new Row(
            c.axes,
            c.work,
            array(s.nanos),
            new Row.Bounds(
                Statistics.median(largerOfPairs(peaks)),
                Statistics.median(largerOfPairs(bandwidths)),
                c.isBoundByMemory()),
            c.tokensOfAnOperation(),
            Row.orNull(Statistics.median(array(s.joules))),
            s.verified,
            List.of());
    return row.and(Mark.of(row, s.settled, c.limits.areBounds(), peaks, bandwidths));
  }

  /** The larger one of those before and after each sample. */
  private static double[] largerOfPairs(double[] measured) {
    return IntStream.range(0, measured.length / 2)
        .mapToDouble(i -> Math.max(measured[2 * i], measured[2 * i + 1]))
        .toArray();
  }

  private static double[] array(List<Double> list) {
    return list.stream().mapToDouble(d -> d).toArray();
  }
}
