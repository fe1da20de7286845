package io.mla4j.engine;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of a request: events of its choices, in the order in which they happen. They are
 * taken by {@link #next} and {@link #poll}, or by a {@link #publisher} — by one reader; a {@link
 * #result} is there beside it. The engine never waits for a reader: what was not read stays, at
 * most as many events as the request has tokens, until the answer is garbage. Thread-safe.
 */
public interface Answer {
  /** The number of its request, in the order of submission. */
  long id();

  /**
   * The next event, waiting for it.
   *
   * @return null after the last event of the last choice
   */
  @Nullable Event next() throws InterruptedException;

  /**
   * The next event, waiting for it up to {@code most}.
   *
   * @return null where none came, or none will come: {@link #isRead} tells
   */
  @Nullable Event poll(Duration most) throws InterruptedException;

  /** Whether the last event of the last choice was taken. */
  boolean isRead();

  /**
   * The events for one subscriber, on a thread of its own, as it asks for them; a subscription that
   * is cancelled cancels the answer. A choice that fails is an event, not an error.
   */
  Flow.Publisher<Event> publisher();

  /**
   * All of it, once every choice has ended; completed by another thread than the engine's. It fails
   * with the {@link io.mla4j.Mla4jException} of the first choice that failed. Cancelling the future
   * cancels the answer.
   */
  CompletableFuture<Result> result();

  /**
   * Ends it, within one step: choices that have not ended finish as {@link FinishReason#CANCELLED}
   * and their pages are free. Later calls do nothing.
   */
  void cancel();
}
