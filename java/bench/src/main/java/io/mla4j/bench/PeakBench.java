package io.mla4j.bench;

import io.mla4j.bench.PeakMeter.Rate;
import io.mla4j.cpu.Workers;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/** The limits of the machine: rates of registers, and of reading working sets of growing size. */
final class PeakBench {
  private static final long[] LADDER = {
    16L << 10,
    32L << 10,
    128L << 10,
    512L << 10,
    1L << 20,
    2L << 20,
    4L << 20,
    8L << 20,
    16L << 20,
    32L << 20,
    64L << 20
  };

  /** A rate on threads over a working set of each: null for registers, 0 for cold memory. */
  private record Point(Rate rate, int threads, Long bytes) {}

  private PeakBench() {}

  /** The limits that rows are compared with: registers, and memory that no cache holds. */
  static List<Peak> limits(Lab lab, List<Integer> threads, BooleanSupplier stopped) {
    return run(lab, threads, new long[0], Progress.NONE, stopped);
  }

  /** These, and working sets of growing size. */
  static List<Peak> run(
      Lab lab, List<Integer> threads, Progress progress, BooleanSupplier stopped) {
    return run(lab, threads, LADDER, progress, stopped);
  }

  private static List<Peak> run(
      Lab lab, List<Integer> threads, long[] ladder, Progress progress, BooleanSupplier stopped) {
    DataPool pool = lab.pool();
    PeakMeter meter = lab.meter();
    threads.forEach(lab::workers);
    lab.pin();
    Map<Point, List<Double>> samples = new LinkedHashMap<>();
    for (int n : threads) {
      for (Rate rate : Rate.values()) {
        if (meter.isa(rate) == null) {
          continue;
        }
        if (!rate.isRead()) {
          samples.put(new Point(rate, n, null), new ArrayList<>());
          continue;
        }
        for (long bytes : ladder) {
          if (bytes * n <= pool.bytes() / 2) {
            samples.put(new Point(rate, n, bytes), new ArrayList<>());
          }
        }
        if (rate == Rate.NATIVE_READ || !meter.hasNative()) {
          samples.put(new Point(rate, n, 0L), new ArrayList<>());
        }
      }
    }
    long total = (long) samples.size() * lab.settings().repetitions();
    long done = 0;
    for (int i = 0; i < lab.settings().repetitions(); i++) {
      for (Map.Entry<Point, List<Double>> entry : samples.entrySet()) {
        if (stopped.getAsBoolean()) {
          break;
        }
        Point p = entry.getKey();
        progress.at(done++, total, p.rate().source + " " + p.rate().what);
        Workers workers = lab.workers(p.threads());
        entry.getValue().add(measure(meter, p, workers));
      }
    }
    List<Peak> peaks = new ArrayList<>();
    samples.forEach(
        (p, values) -> {
          double[] rates = values.stream().mapToDouble(d -> d).toArray();
          if (Double.isFinite(Statistics.median(rates))) {
            peaks.add(
                new Peak(
                    p.rate().what,
                    p.rate().source,
                    meter.isa(p.rate()),
                    p.threads(),
                    p.bytes(),
                    Statistics.median(rates),
                    Statistics.mad(rates),
                    p.rate().unit));
          }
        });
    return peaks;
  }

  private static double measure(PeakMeter meter, Point p, Workers workers) {
    if (p.bytes() == null) {
      return meter.registers(p.rate(), workers);
    }
    return p.bytes() == 0 ? meter.coldRead(workers) : meter.warmRead(p.rate(), workers, p.bytes());
  }
}
