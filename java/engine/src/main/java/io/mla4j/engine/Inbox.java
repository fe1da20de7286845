package io.mla4j.engine;

import io.mla4j.ClosedException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** What callers tell the loop, and how many requests there are: all that both sides change. */
final class Inbox {
  private final EngineOptions options;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition told = lock.newCondition();
  private final Condition ended = lock.newCondition();
  private final ArrayDeque<Ticket> arrived = new ArrayDeque<>();

  /** Tickets that have not ended, by tenant. */
  private final Map<String, Integer> ofTenant = new HashMap<>();

  private int waiting;
  private int alive;
  private long taken;
  private boolean woken;
  private boolean draining;
  private boolean closed;

  Inbox(EngineOptions options) {
    this.options = options;
  }

  /** Makes a ticket of a number. */
  @FunctionalInterface
  interface Issuer {
    /** The ticket called {@code id}. */
    Ticket issue(long id);
  }

  /** Takes a request, or says why not. */
  Ticket add(String tenant, Issuer issuer) {
    lock.lock();
    try {
      if (closed || draining) {
        throw new ClosedException(
            closed ? "the engine is closed" : "the engine ends and takes no requests");
      }
      if (waiting >= options.queue()) {
        throw new QueueFullException(
            waiting + " requests wait, as many as may (queue is " + options.queue() + ")");
      }
      int most = options.requestsPerTenant();
      if (most > 0 && ofTenant.getOrDefault(tenant, 0) >= most) {
        throw new QueueFullException(
            "tenant \"" + tenant + "\" has " + most + " requests, as many as a tenant may");
      }
      Ticket ticket = issuer.issue(++taken);
      ofTenant.merge(tenant, 1, Integer::sum);
      waiting++;
      alive++;
      arrived.add(ticket);
      told.signal();
      return ticket;
    } finally {
      lock.unlock();
    }
  }

  /** Has the loop look again. */
  void wake() {
    lock.lock();
    try {
      woken = true;
      told.signal();
    } finally {
      lock.unlock();
    }
  }

  /**
   * For the loop: takes what has arrived, waiting for it.
   *
   * @param nanos the longest wait; 0 for none
   * @return false where the engine is closed
   */
  boolean take(List<Ticket> into, long nanos) throws InterruptedException {
    lock.lock();
    try {
      long left = nanos;
      while (arrived.isEmpty() && !woken && !closed && left > 0) {
        left = told.awaitNanos(left);
      }
      woken = false;
      into.addAll(arrived);
      arrived.clear();
      return !closed;
    } finally {
      lock.unlock();
    }
  }

  /** For the loop: a ticket's first step is made. */
  void started() {
    lock.lock();
    waiting--;
    lock.unlock();
  }

  /** For the loop: a ticket's last text has ended. */
  void ended(Ticket ticket) {
    lock.lock();
    try {
      if (!ticket.started) {
        waiting--;
      }
      alive--;
      ofTenant.compute(ticket.tenant(), (_, count) -> count == 1 ? null : count - 1);
      if (alive == 0) {
        ended.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /** Takes no more requests, and waits for those that are there: whether all have ended. */
  boolean drain(Duration most) throws InterruptedException {
    lock.lock();
    try {
      draining = true;
      long left = TimeUnit.NANOSECONDS.convert(most);
      while (alive > 0 && !closed && left > 0) {
        left = ended.awaitNanos(left);
      }
      return alive == 0;
    } finally {
      lock.unlock();
    }
  }

  /** Whether it was open until now. */
  boolean close() {
    lock.lock();
    try {
      boolean first = !closed;
      closed = true;
      told.signal();
      ended.signalAll();
      return first;
    } finally {
      lock.unlock();
    }
  }

  boolean isClosed() {
    lock.lock();
    try {
      return closed;
    } finally {
      lock.unlock();
    }
  }

  /** Requests that the loop has not seen yet. */
  int arrived() {
    lock.lock();
    try {
      return arrived.size();
    } finally {
      lock.unlock();
    }
  }

  long taken() {
    lock.lock();
    try {
      return taken;
    } finally {
      lock.unlock();
    }
  }
}
