package io.mla4j.engine;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/** Counts of an engine: the loop alone adds, anybody reads. */
final class Meters {
  private static final double NANOS = 1e9;

  /** Seconds: 1, 2 and 5 of each power of ten. */
  private static final double[] BOUNDS = {
    .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500
  };

  /** Durations by length. */
  static final class Times {
    private final AtomicLongArray counts = new AtomicLongArray(BOUNDS.length + 1);
    private final AtomicLong nanos = new AtomicLong();

    void add(long duration) {
      int i = 0;
      while (i < BOUNDS.length && duration > BOUNDS[i] * NANOS) {
        i++;
      }
      counts.lazySet(i, counts.getPlain(i) + 1);
      Meters.add(nanos, duration);
    }

    Histogram read() {
      long[] copy = new long[counts.length()];
      for (int i = 0; i < copy.length; i++) {
        copy[i] = counts.get(i);
      }
      return new Histogram(BOUNDS.clone(), copy, nanos.get() / NANOS);
    }
  }

  final Times queued = new Times();
  final Times firstToken = new Times();
  final Times betweenTokens = new Times();
  final Times whole = new Times();
  final AtomicLong lookups = new AtomicLong();
  final AtomicLong hits = new AtomicLong();
  final AtomicLong promptTokens = new AtomicLong();
  final AtomicLong cachedTokens = new AtomicLong();
  final AtomicLong generatedTokens = new AtomicLong();
  final AtomicLong guessedTokens = new AtomicLong();
  final AtomicLong acceptedTokens = new AtomicLong();
  final AtomicLong steps = new AtomicLong();
  final AtomicLong putBack = new AtomicLong();
  final AtomicLong failed = new AtomicLong();
  private final AtomicLongArray finished = new AtomicLongArray(FinishReason.values().length);

  /** One thread alone adds. */
  static void add(AtomicLong to, long what) {
    to.lazySet(to.getPlain() + what);
  }

  void finished(FinishReason reason) {
    finished.lazySet(reason.ordinal(), finished.getPlain(reason.ordinal()) + 1);
  }

  Statistics.Counts counts(long requests) {
    Map<FinishReason, Long> reasons = new EnumMap<>(FinishReason.class);
    for (FinishReason reason : FinishReason.values()) {
      reasons.put(reason, finished.get(reason.ordinal()));
    }
    return new Statistics.Counts(
        requests,
        promptTokens.get(),
        cachedTokens.get(),
        generatedTokens.get(),
        guessedTokens.get(),
        acceptedTokens.get(),
        steps.get(),
        putBack.get(),
        Map.copyOf(reasons),
        failed.get());
  }

  Statistics.Latencies latencies() {
    return new Statistics.Latencies(
        queued.read(), firstToken.read(), betweenTokens.read(), whole.read());
  }
}
