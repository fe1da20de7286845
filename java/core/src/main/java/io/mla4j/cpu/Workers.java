package io.mla4j.cpu;

import io.mla4j.ClosedException;
import io.mla4j.Mla4jException;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Threads that share the tiles of one operation at a time.
 *
 * <p>The caller is worker 0. Tiles are handed out one by one, so a slow or preempted core holds up
 * only the tile that it has. Idle workers spin for a moment, where there is a processor for each,
 * and then park; whoever is woken wakes two more, on other processors than its own. Threads beyond
 * the machine's processors would only take turns with the others and never start. Callers wait for
 * their turn in order; a virtual thread hands its operation to a platform thread, since a native
 * call would hold its carrier.
 */
public final class Workers implements AutoCloseable {
  /** A piece of an operation. */
  @FunctionalInterface
  public interface Task {
    /**
     * Computes tile {@code tile} as worker {@code worker}, 0 to threads - 1: an index for
     * workspaces.
     */
    void run(int tile, int worker);
  }

  /** Multiplications that one thread does in the time that sharing them would cost: about 10 us. */
  static final long MIN_SHARED_WORK = 1 << 17;

  /**
   * Longer than the pause between two operations of a model, the time that a parked thread needs to
   * wake included: one that just missed an operation must not miss the next.
   */
  private static final long SPIN_NANOS = 400_000;

  private static final int SPINS_BETWEEN_CLOCK_READS = 64;

  /** Operations after which a helper links functions for its wakes: no start waits for that. */
  private static final int OPERATIONS_BEFORE_PLACEMENT = 256;

  /** The lower half of the state between two operations: beyond every count. */
  private static final long NO_TILE = Integer.MAX_VALUE;

  private final ReentrantLock turn = new ReentrantLock(true);
  private final int threads;
  private final Thread[] helpers;

  /** Element i is 1 while helper i is parked or about to be. */
  private final AtomicIntegerArray parked;

  /** Element i is null until helper i has joined in enough operations. */
  private final AtomicReferenceArray<@Nullable WakePlacement> placements;

  private final ExecutorService forVirtualThreads;

  /**
   * Operation number in the upper half, next tile in the lower: a tile is taken only from the
   * operation that was seen. Odd numbers stand for the time between two operations, when the fields
   * below change: no tile of theirs can be taken.
   */
  private final AtomicLong state = new AtomicLong(NO_TILE);

  private final AtomicInteger finished = new AtomicInteger();
  private volatile int tiles;
  private volatile @Nullable Task task;
  private volatile @Nullable Throwable failure;
  private volatile @Nullable Thread waiting;
  private volatile boolean closed;

  /** {@code threads} workers, the caller of {@link #run} included. */
  public Workers(int threads) {
    this(threads, Runtime.getRuntime().availableProcessors());
  }

  Workers(int threads, int processors) {
    this.threads = threads;
    helpers = new Thread[Math.min(threads, processors) - 1];
    parked = new AtomicIntegerArray(helpers.length);
    placements = new AtomicReferenceArray<>(helpers.length);
    for (int i = 0; i < helpers.length; i++) {
      int worker = i + 1;
      helpers[i] =
          Thread.ofPlatform().daemon().name("mla4j-worker-" + worker).start(() -> help(worker));
    }
    forVirtualThreads =
        Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("mla4j-caller").factory());
  }

  /** How many threads take part at most: one more than the largest index of a worker. */
  public int threads() {
    return threads;
  }

  /** How many of them can run at the same time: no more were started than there are processors. */
  public int parallelism() {
    return helpers.length + 1;
  }

  /**
   * Takes the turn, for an operation of several {@link #run}s without another caller's in between;
   * {@link #leave} follows in a finally block.
   *
   * @return false for a virtual thread, which must {@link #handOver} the operation instead
   * @throws ClosedException after {@link #close}
   */
  public boolean enter() {
    if (Thread.currentThread().isVirtual()) {
      return false;
    }
    turn.lock();
    if (closed) {
      turn.unlock();
      throw new ClosedException("the device is closed");
    }
    return true;
  }

  /** Gives the turn to the next caller. */
  public void leave() {
    turn.unlock();
  }

  /**
   * Runs {@code operation} on a platform thread, where {@link #enter} takes the turn. Waits even
   * where interrupted: the operation writes to memory that its caller may free.
   *
   * @throws ClosedException after {@link #close}
   * @throws RuntimeException what the operation throws
   */
  public void handOver(Runnable operation) {
    Future<?> running;
    try {
      running = forVirtualThreads.submit(operation);
    } catch (RejectedExecutionException e) {
      throw new ClosedException("the device is closed");
    }
    boolean interrupted = false;
    try {
      while (true) {
        try {
          running.get();
          return;
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } catch (ExecutionException e) {
      throw rethrow(Objects.requireNonNullElse(e.getCause(), e));
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Runs {@code task} for every tile below {@code count} and returns when all are done. May be
   * called between {@link #enter} and {@link #leave}.
   *
   * @throws ClosedException after {@link #close}
   * @throws RuntimeException the first failure of a tile
   */
  public void run(int count, Task task) {
    run(count, MIN_SHARED_WORK, task);
  }

  /**
   * As {@link #run(int, Task)}, but an operation of little work is done by the caller alone: waking
   * a thread and waiting for it takes longer than that work.
   *
   * @param work multiplications of all tiles together
   */
  public void run(int count, long work, Task task) {
    if (!enter()) {
      handOver(() -> run(count, work, task));
      return;
    }
    try {
      runInTurn(count, work, task);
    } finally {
      leave();
    }
  }

  /** As {@link #run(int, long, Task)} for a caller that has the turn. */
  void runInTurn(int count, long work, Task task) {
    if (count > 1 && shares(work)) {
      share(count, task);
    } else {
      for (int i = 0; i < count; i++) {
        task.run(i, 0);
      }
    }
  }

  /** Whether so much work is worth another thread. */
  boolean shares(long work) {
    return work >= MIN_SHARED_WORK && helpers.length > 0;
  }

  private void share(int count, Task newTask) {
    long previous = state.get() >>> 32;
    state.set(previous + 1 << 32 | NO_TILE);
    failure = null;
    task = newTask;
    tiles = count;
    finished.set(0);
    state.set(previous + 2 << 32);
    wakeTwo(0);
    takeTiles(0);
    awaitFinished(count);
    task = null;
    Throwable thrown = failure;
    if (thrown != null) {
      throw rethrow(thrown);
    }
  }

  /** Wakes the workers 2w + 1 and 2w + 2, which do the same: the caller's time is for its tiles. */
  private void wakeTwo(int worker) {
    for (int i = 2 * worker; i < Math.min(2 * worker + 2, helpers.length); i++) {
      if (parked.get(i) != 0) {
        WakePlacement placement = placements.get(i);
        if (placement != null) {
          placement.keepOffThisProcessor();
        }
        LockSupport.unpark(helpers[i]);
      }
    }
  }

  private void awaitFinished(int count) {
    long start = System.nanoTime();
    waiting = Thread.currentThread();
    while (finished.get() < count) {
      if (System.nanoTime() - start < SPIN_NANOS) {
        Thread.onSpinWait();
      } else {
        LockSupport.park(this);
      }
    }
    waiting = null;
  }

  /** Takes tiles of the operation that is current at the call until none is left. */
  private void takeTiles(int worker) {
    long seen = state.get();
    long operation = seen >>> 32;
    while (seen >>> 32 == operation) {
      int count = tiles;
      Task current = task;
      int tile = (int) seen;
      if (tile >= count || current == null) {
        return;
      }
      if (state.compareAndSet(seen, seen + 1)) {
        try {
          current.run(tile, worker);
        } catch (Throwable t) {
          if (failure == null) {
            failure = t;
          }
        }
        if (finished.incrementAndGet() == count) {
          LockSupport.unpark(waiting);
        }
      }
      seen = state.get();
    }
  }

  private void help(int worker) {
    long last = 0;
    int operations = 0;
    while (!closed) {
      long operation = state.get() >>> 32;
      if (operation == last) {
        awaitOperation(worker, last);
      } else {
        last = operation;
        wakeTwo(worker);
        takeTiles(worker);
        if (++operations == OPERATIONS_BEFORE_PLACEMENT) {
          WakePlacement.ofThisThread().ifPresent(own -> placements.set(worker - 1, own));
        }
      }
    }
    wakeTwo(worker);
  }

  private void awaitOperation(int worker, long last) {
    WakePlacement placement = placements.get(worker - 1);
    if (placement != null) {
      placement.release();
    }
    long start = System.nanoTime();
    while (System.nanoTime() - start < SPIN_NANOS) {
      for (int i = 0; i < SPINS_BETWEEN_CLOCK_READS; i++) {
        if (state.get() >>> 32 != last || closed) {
          return;
        }
        Thread.onSpinWait();
      }
    }
    parked.set(worker - 1, 1);
    while (state.get() >>> 32 == last && !closed) {
      LockSupport.park(this);
    }
    parked.set(worker - 1, 0);
  }

  private static RuntimeException rethrow(Throwable t) {
    if (t instanceof Error e) {
      throw e;
    }
    return t instanceof RuntimeException e
        ? e
        : new Mla4jException("an operation failed: " + t.getMessage(), t);
  }

  /** Waits for the operation that runs and stops the threads. Closing twice is harmless. */
  @Override
  public void close() {
    turn.lock();
    try {
      closed = true;
    } finally {
      turn.unlock();
    }
    forVirtualThreads.shutdown();
    for (Thread helper : helpers) {
      LockSupport.unpark(helper);
    }
  }
}
