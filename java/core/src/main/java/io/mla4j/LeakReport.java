package io.mla4j;

import java.lang.System.Logger.Level;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Reports an object that was collected without having been closed, with the place where it was
 * made.
 */
final class LeakReport {
  /** Whether reports are asked for everywhere: {@code -Dmla4j.leaks=true}. */
  static final boolean BY_PROPERTY = Boolean.getBoolean("mla4j.leaks");

  private static final LeakReport NONE = new LeakReport(null, new AtomicBoolean());

  private final Cleaner.@Nullable Cleanable cleanable;
  private final AtomicBoolean closed;

  private LeakReport(Cleaner.@Nullable Cleanable cleanable, AtomicBoolean closed) {
    this.cleanable = cleanable;
    this.closed = closed;
  }

  /** Watches {@code owner}, or nothing where {@code wanted} is false. */
  static LeakReport watch(Object owner, String what, boolean wanted) {
    if (!wanted) {
      return NONE;
    }
    AtomicBoolean closed = new AtomicBoolean();
    Throwable place = new Throwable(what + " was made here");
    return new LeakReport(
        Holder.CLEANER.register(owner, () -> report(what, place, closed)), closed);
  }

  /** The owner was closed in time. */
  void closed() {
    if (cleanable != null) {
      closed.set(true);
      cleanable.clean();
    }
  }

  private static void report(String what, Throwable place, AtomicBoolean closed) {
    if (!closed.get()) {
      System.getLogger("io.mla4j.leaks").log(Level.WARNING, what + " was never closed", place);
    }
  }

  /** Started only where leaks are watched: a cleaner is a thread. */
  private static final class Holder {
    static final Cleaner CLEANER = Cleaner.create();
  }
}
