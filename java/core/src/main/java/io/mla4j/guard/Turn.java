package io.mla4j.guard;

import io.mla4j.ClosedException;
import io.mla4j.ConcurrentUseException;
import io.mla4j.InvalidStateException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Notices when a second thread enters what belongs to one at a time, and lets closing wait for the
 * thread that is inside.
 */
public final class Turn {
  private final String what;
  private final AtomicReference<@Nullable Thread> inside = new AtomicReference<>();
  private volatile boolean closed;

  /**
   * @param what is guarded, for messages: {@code decoder}
   */
  public Turn(String what) {
    this.what = what;
  }

  /**
   * Begins a use, which {@link #leave} ends.
   *
   * @throws ConcurrentUseException where another thread is inside
   * @throws ClosedException after or during {@link #close}
   */
  public void enter() {
    Thread me = Thread.currentThread();
    Thread other = inside.compareAndExchange(null, me);
    if (other == me) {
      throw new InvalidStateException("the " + what + " is used from within its own call");
    }
    if (other != null) {
      requireOpen();
      throw new ConcurrentUseException(
          "the " + what + " belongs to one thread at a time, but " + other + " is using it");
    }
    if (closed) {
      leave();
      requireOpen();
    }
  }

  /** Ends a use. */
  public void leave() {
    inside.set(null);
    if (closed) {
      synchronized (this) {
        notifyAll();
      }
    }
  }

  /** Looks from within a long use whether somebody waits to close. */
  public void requireOpen() {
    if (closed) {
      throw new ClosedException("the " + what + " is closed");
    }
  }

  /**
   * Closes for new uses and waits for the one that runs.
   *
   * @return whether this was the first call, which frees what is guarded; later ones wait too
   * @throws InvalidStateException from within a use
   */
  public boolean close() {
    if (inside.get() == Thread.currentThread()) {
      throw new InvalidStateException("the " + what + " is closed from within its own call");
    }
    boolean interrupted = false;
    synchronized (this) {
      boolean first = !closed;
      closed = true;
      while (inside.get() != null) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return first;
    }
  }
}
