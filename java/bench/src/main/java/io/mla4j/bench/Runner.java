package io.mla4j.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Takes samples: repetitions outside, rows inside, so that a slow moment of the machine meets all
 * rows alike; the peaks just before and after every sample.
 */
final class Runner {
  private static final int MAX_OPERATIONS = 1000;

  /** What part of a warm-up code needs that has run before. */
  private static final int SHORT_WARM_UP = 16;

  private final Settings settings;
  private final PeakMeter meter;
  private final Progress progress;
  private final BooleanSupplier stopped;
  private final Energy energy = Energy.open();
  private final Set<String> warmedUp = new HashSet<>();
  private final Map<Case, Samples> samples = new LinkedHashMap<>();

  /**
   * @param meter of the processor; null where no row is of it
   */
  Runner(Settings settings, PeakMeter meter, Progress progress, BooleanSupplier stopped) {
    this.settings = settings;
    this.meter = meter;
    this.progress = progress;
    this.stopped = stopped;
  }

  /** The samples of one case. */
  private static final class Samples {
    final List<Double> nanos = new ArrayList<>();
    final List<Double> peaks = new ArrayList<>();
    final List<Double> bandwidths = new ArrayList<>();
    final List<Double> joules = new ArrayList<>();
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
        warmUp(c);
        // Somebody else's kernels are never timed before they were found right.
        boolean verifies = settings.verify() || c.axes.library() != null;
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

  /**
   * At least one operation, and until the compilers of the JVM have had time to do their work,
   * which would take processors from the threads that are timed: long for the first row of its
   * sort, less for the next ones.
   */
  private void warmUp(Case c) {
    c.prepare();
    long start = System.nanoTime();
    boolean isNew = warmedUp.add(c.axes.benchmark() + c.axes.kind() + c.axes.backend());
    long enough = settings.warmUpNanos() / (isNew ? 1 : SHORT_WARM_UP);
    do {
      c.run();
    } while (System.nanoTime() - start < enough && !stopped.getAsBoolean());
  }

  private void sample(Case c, Samples samples) {
    double peakBefore = c.limits.peak(c.axes, meter);
    double bandwidthBefore = c.limits.bandwidth(meter);
    c.prepare();
    double[] nanos = new double[MAX_OPERATIONS];
    int count = 0;
    long spent = 0;
    long[] energyBefore = energy.counters();
    while (count < MAX_OPERATIONS && (count == 0 || spent < settings.sampleNanos())) {
      long start = System.nanoTime();
      c.run();
      long time = System.nanoTime() - start;
      nanos[count++] = (double) time / c.operationsOfARun();
      spent += time;
    }
    double joules =
        c.limits.spendsJoules()
            ? energy.joules(energyBefore, energy.counters()) / (count * c.operationsOfARun())
            : Double.NaN;
    double bandwidth = Math.max(bandwidthBefore, c.limits.bandwidth(meter));
    double peak = Math.max(peakBefore, c.limits.peak(c.axes, meter));
    synchronized (this) {
      samples.joules.add(joules);
      samples.nanos.add(Statistics.median(Arrays.copyOf(nanos, count)));
      samples.bandwidths.add(bandwidth);
      samples.peaks.add(peak);
    }
  }

  private static Row row(Case c, Samples s) {
    return Row.of(
        c.axes,
        c.work,
        array(s.nanos),
        Statistics.median(array(s.peaks)),
        Statistics.median(array(s.bandwidths)),
        c.isBoundByMemory(),
        c.tokensOfAnOperation(),
        Statistics.median(array(s.joules)),
        s.verified);
  }

  private static double[] array(List<Double> list) {
    return list.stream().mapToDouble(d -> d).toArray();
  }
}
