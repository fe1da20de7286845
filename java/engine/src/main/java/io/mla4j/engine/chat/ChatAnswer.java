package io.mla4j.engine.chat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of a {@link ChatRequest}, as {@link io.mla4j.engine.Answer} is of a request: one
 * reader takes events, and a result is there beside it. Thread-safe.
 */
public interface ChatAnswer {
  /** What the model was given. */
  Prompt prompt();

  /**
   * The next event, waiting for it.
   *
   * @return null after the last event of the last choice
   */
  @Nullable ChatEvent next() throws InterruptedException;

  /**
   * The next event, waiting for it up to {@code most}.
   *
   * @return null where none came, or none will come: {@link #isRead} tells
   */
  @Nullable ChatEvent poll(Duration most) throws InterruptedException;

  /** Whether the last event of the last choice was taken. */
  boolean isRead();

  /** The events for one subscriber, as {@link io.mla4j.engine.Answer#publisher} gives them. */
  Flow.Publisher<ChatEvent> publisher();

  /**
   * The ends of all choices, in their order; it fails as {@link io.mla4j.engine.Answer#result}
   * does. Cancelling it cancels the answer.
   */
  CompletableFuture<List<ChatEvent.Finished>> result();

  /** Ends it, as {@link io.mla4j.engine.Answer#cancel} does. */
  void cancel();
}
