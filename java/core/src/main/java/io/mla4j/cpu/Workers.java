package io.mla4j.cpu;

import io.mla4j.ClosedException;
import io.mla4j.Mla4jException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Threads that share the tiles of one operation at a time.
 *
 * <p>The caller is worker 0. Tiles are handed out one by one, so a slow or preempted core holds up
 * only the tile that it has. Idle workers spin for a moment, where there is a processor for each,
 * and then park. Callers wait for their turn in order; a virtual thread hands its operation to a
 * platform thread, since a native call would hold its carrier.
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
  private static final long MIN_SHARED_WORK = 1 << 17;

  private static final long SPIN_NANOS = 200_000;
  private static final int SPINS_BETWEEN_CLOCK_READS = 64;

  /** The lower half of the state between two operations: beyond every count. */
  private static final long NO_TILE = Integer.MAX_VALUE;

  private final ReentrantLock turn = new ReentrantLock(true);
  private final Thread[] helpers;
  private final boolean spins;
  private final ExecutorService forVirtualThreads;

  /**
   * Operation number in the upper half, next tile in the lower: a tile is taken only from the
   * operation that was seen. Odd numbers stand for the time between two operations, when the fields
   * below change: no tile of theirs can be taken.
   */
  private final AtomicLong state = new AtomicLong(NO_TILE);

  private final AtomicInteger finished = new AtomicInteger();
  private volatile int tiles;
  private volatile Task task;
  private volatile Throwable failure;
  private volatile Thread waiting;
  private volatile boolean closed;

  /** {@code threads} workers, the caller of {@link #run} included. */
  public Workers(int threads) {
    spins = threads > 1 && Runtime.getRuntime().availableProcessors() >= threads;
    helpers = new Thread[threads - 1];
    for (int i = 0; i < helpers.length; i++) {
      int worker = i + 1;
      helpers[i] =
          Thread.ofPlatform().daemon().name("mla4j-worker-" + worker).start(() -> help(worker));
    }
    forVirtualThreads =
        Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("mla4j-caller").factory());
  }

  /** How many threads take part. */
  public int threads() {
    return helpers.length + 1;
  }

  /**
   * Runs {@code task} for every tile below {@code count} and returns when all are done. May be
   * called within {@link #exclusively}.
   *
   * @throws ClosedException after {@link #close}
   * @throws RuntimeException the first failure of a tile
   */
  public void run(int count, Task task) {
    exclusively(() -> runTiles(count, task));
  }

  /**
   * As {@link #run(int, Task)}, but an operation of little work is done by the caller alone: waking
   * a thread and waiting for it takes longer than that work.
   *
   * @param work multiplications of all tiles together
   */
  public void run(int count, long work, Task task) {
    exclusively(
        () -> {
          if (work < MIN_SHARED_WORK) {
            runAlone(count, task);
          } else {
            runTiles(count, task);
          }
        });
  }

  /** Runs {@code operation}, several {@link #run}s, without another caller's in between. */
  public void exclusively(Runnable operation) {
    if (Thread.currentThread().isVirtual()) {
      handOver(operation);
      return;
    }
    turn.lock();
    try {
      if (closed) {
        throw new ClosedException("the device is closed");
      }
      operation.run();
    } finally {
      turn.unlock();
    }
  }

  /** Waits even where interrupted: the operation writes to memory that its caller may free. */
  private void handOver(Runnable operation) {
    Future<?> running;
    try {
      running = forVirtualThreads.submit(() -> exclusively(operation));
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
      throw rethrow(e.getCause());
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static void runAlone(int count, Task task) {
    for (int i = 0; i < count; i++) {
      task.run(i, 0);
    }
  }

  private void runTiles(int count, Task newTask) {
    if (count <= 1 || helpers.length == 0) {
      runAlone(count, newTask);
      return;
    }
    long previous = state.get() >>> 32;
    state.set(previous + 1 << 32 | NO_TILE);
    failure = null;
    task = newTask;
    tiles = count;
    finished.set(0);
    state.set(previous + 2 << 32);
    if (!spins || anyParked()) {
      for (Thread helper : helpers) {
        LockSupport.unpark(helper);
      }
    }
    takeTiles(0);
    awaitFinished(count);
    task = null;
    Throwable thrown = failure;
    if (thrown != null) {
      throw rethrow(thrown);
    }
  }

  private final AtomicInteger parked = new AtomicInteger();

  private boolean anyParked() {
    return parked.get() > 0;
  }

  private void awaitFinished(int count) {
    long start = System.nanoTime();
    waiting = Thread.currentThread();
    while (finished.get() < count) {
      if (System.nanoTime() - start < SPIN_NANOS) {
        pause();
      } else {
        LockSupport.park(this);
      }
    }
    waiting = null;
  }

  private void pause() {
    if (spins) {
      Thread.onSpinWait();
    } else {
      Thread.yield();
    }
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
    while (!closed) {
      long operation = state.get() >>> 32;
      if (operation == last) {
        awaitOperation(last);
      } else {
        last = operation;
        takeTiles(worker);
      }
    }
  }

  private void awaitOperation(long last) {
    if (spins) {
      long start = System.nanoTime();
      while (System.nanoTime() - start < SPIN_NANOS) {
        for (int i = 0; i < SPINS_BETWEEN_CLOCK_READS; i++) {
          if (state.get() >>> 32 != last || closed) {
            return;
          }
          Thread.onSpinWait();
        }
      }
    }
    parked.incrementAndGet();
    while (state.get() >>> 32 == last && !closed) {
      LockSupport.park(this);
    }
    parked.decrementAndGet();
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
