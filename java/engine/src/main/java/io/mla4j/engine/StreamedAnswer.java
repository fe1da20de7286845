package io.mla4j.engine;

import io.mla4j.InvalidStateException;
import io.mla4j.Mla4jException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** An answer whose events the engine's loop adds. */
final class StreamedAnswer implements Answer {
  private final long id;

  /** Called when it is to be ended. */
  private final Runnable waker;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition added = lock.newCondition();
  private final List<Event> events = new ArrayList<>();
  private final AtomicBoolean subscribed = new AtomicBoolean();
  private int read;

  /** Choices that have not ended. */
  private int open;

  private final int choices;

  private volatile boolean cancelled;

  /** Null until somebody asks for it. */
  private @Nullable CompletableFuture<Result> result;

  StreamedAnswer(long id, int choices, Runnable waker) {
    this.id = id;
    this.choices = choices;
    this.open = choices;
    this.waker = waker;
  }

  @Override
  public long id() {
    return id;
  }

  @Override
  public @Nullable Event next() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (read == events.size() && open > 0) {
        added.await();
      }
      return take();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public @Nullable Event poll(Duration most) throws InterruptedException {
    long left = most.toNanos();
    lock.lockInterruptibly();
    try {
      while (read == events.size() && open > 0 && left > 0) {
        left = added.awaitNanos(left);
      }
      return take();
    } finally {
      lock.unlock();
    }
  }

  private @Nullable Event take() {
    return read < events.size() ? events.get(read++) : null;
  }

  @Override
  public boolean isRead() {
    lock.lock();
    try {
      return open == 0 && read == events.size();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public Flow.Publisher<Event> publisher() {
    return subscriber -> Delivery.start(this, subscribed.compareAndSet(false, true), subscriber);
  }

  @Override
  public CompletableFuture<Result> result() {
    lock.lock();
    try {
      CompletableFuture<Result> future = result;
      if (future == null) {
        future = new CompletableFuture<>();
        future.whenComplete(
            (_, error) -> {
              if (error instanceof CancellationException) {
                cancel();
              }
            });
        result = future;
        if (open == 0) {
          complete(future);
        }
      }
      return future;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void cancel() {
    cancelled = true;
    waker.run();
  }

  boolean isCancelled() {
    return cancelled;
  }

  /** By the loop: something happened. */
  void add(Event event) {
    lock.lock();
    try {
      events.add(event);
      if (!(event instanceof Event.Token) && --open == 0 && result != null) {
        complete(result);
      }
      added.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** What waits for the result runs on another thread than the loop's. */
  private void complete(CompletableFuture<Result> result) {
    Thread.ofVirtual().name("mla4j-result").start(() -> collect(result));
  }

  private void collect(CompletableFuture<Result> result) {
    try {
      List<Result.Choice> all = new ArrayList<>();
      for (int i = 0; i < choices; i++) {
        all.add(choice(i));
      }
      result.complete(new Result(all));
    } catch (Mla4jException e) {
      result.completeExceptionally(e);
    }
  }

  private Result.Choice choice(int index) {
    StringBuilder text = new StringBuilder();
    List<TokenLogprob> logprobs = new ArrayList<>();
    List<Integer> ids = new ArrayList<>();
    Event.Finished end = null;
    for (Event event : events) {
      if (event.choice() != index) {
        continue;
      }
      switch (event) {
        case Event.Token token -> {
          text.append(token.text());
          ids.add(token.id());
          if (token.logprob() != null) {
            logprobs.add(token.logprob());
          }
        }
        case Event.Finished finished -> end = finished;
        case Event.Failed failed -> throw failed.error();
      }
    }
    if (end == null) {
      throw new InvalidStateException("choice " + index + " of request " + id + " has not ended");
    }
    return new Result.Choice(
        text.toString(),
        ids.stream().mapToInt(Integer::intValue).toArray(),
        List.copyOf(logprobs),
        end.reason(),
        end.stopText(),
        end.usage());
  }
}
