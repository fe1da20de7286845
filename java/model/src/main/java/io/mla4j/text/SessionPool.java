package io.mla4j.text;

import io.mla4j.LatentCache;
import java.util.concurrent.atomic.AtomicInteger;

/** A cache and the sessions that share it. Thread-safe. */
record SessionPool(LatentCache cache, AtomicInteger users) {
  /** A session ends: the last one closes the cache. */
  void release() {
    if (users.decrementAndGet() == 0) {
      cache.close();
    }
  }
}
