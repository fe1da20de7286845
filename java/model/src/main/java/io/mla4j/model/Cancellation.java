package io.mla4j.model;

import org.jspecify.annotations.Nullable;

/**
 * A way to give up a computation from another thread. It is looked at before every layer and every
 * token, so the longest wait is a layer of a prompt's step; an interrupt of the computing thread
 * has the same effect, and its status stays set. Thread-safe; good for one use.
 */
public final class Cancellation {
  private volatile boolean cancelled;

  /** One that nobody has used yet. */
  public Cancellation() {}

  /** Ends what watches this, now or as soon as it starts. */
  public void cancel() {
    cancelled = true;
  }

  /** Whether {@link #cancel} was called. */
  public boolean isCancelled() {
    return cancelled;
  }

  /**
   * Looks whether the current thread is to stop.
   *
   * @param cancellation null for one that nobody uses
   * @throws CancelledException where it was cancelled, or the thread interrupted
   */
  public static void check(@Nullable Cancellation cancellation) {
    if (cancellation != null && cancellation.cancelled) {
      throw new CancelledException("cancelled");
    }
    if (Thread.currentThread().isInterrupted()) {
      throw new CancelledException("interrupted");
    }
  }
}
