package io.mla4j.server;

import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;

/** How many requests were answered, by route and status. Thread-safe. */
final class Counts {
  private final Map<String, LongAdder> answered = new ConcurrentSkipListMap<>();
  private final LongAdder gone = new LongAdder();

  /** A request was answered. */
  void answered(String route, int status) {
    answered
        .computeIfAbsent("route=\"" + route + "\",status=\"" + status + "\"", _ -> new LongAdder())
        .increment();
  }

  /** A client went before its answer was complete. */
  void clientGone() {
    gone.increment();
  }

  /** Counts by Prometheus labels. */
  Map<String, LongAdder> answered() {
    return answered;
  }

  long gone() {
    return gone.sum();
  }
}
