package io.mla4j.engine;

import java.util.concurrent.Flow;
import java.util.concurrent.Semaphore;

/** Hands the events of an answer to a subscriber, on a thread of its own, as it asks for them. */
final class Delivery implements Flow.Subscription {
  private final Answer answer;
  private final Flow.Subscriber<? super Event> subscriber;
  private final Semaphore wanted = new Semaphore(0);
  private volatile boolean cancelled;
  private volatile boolean wrong;

  private Delivery(Answer answer, Flow.Subscriber<? super Event> subscriber) {
    this.answer = answer;
    this.subscriber = subscriber;
  }

  /**
   * Starts it.
   *
   * @param first whether nobody else has subscribed before
   */
  static void start(Answer answer, boolean first, Flow.Subscriber<? super Event> subscriber) {
    Delivery delivery = new Delivery(answer, subscriber);
    Thread.ofVirtual().name("mla4j-answer").start(() -> delivery.run(first));
  }

  @Override
  public void request(long n) {
    if (n <= 0) {
      wrong = true;
      wanted.release();
    } else {
      // More than are there is as good as all.
      long room = Integer.MAX_VALUE / 2 - wanted.availablePermits();
      wanted.release((int) Math.max(0, Math.min(n, room)));
    }
  }

  @Override
  public void cancel() {
    cancelled = true;
    answer.cancel();
    wanted.release();
  }

  private void run(boolean first) {
    subscriber.onSubscribe(this);
    if (!first) {
      if (!cancelled) {
        cancelled = true;
        subscriber.onError(new IllegalStateException("an answer has one subscriber"));
      }
      return;
    }
    try {
      while (!cancelled) {
        if (answer.isRead()) {
          subscriber.onComplete();
          return;
        }
        wanted.acquire();
        if (wrong && !cancelled) {
          answer.cancel();
          subscriber.onError(new IllegalArgumentException("a subscriber asked for no event"));
          return;
        }
        Event event = cancelled ? null : answer.next();
        if (event != null && !cancelled) {
          subscriber.onNext(event);
        }
      }
    } catch (InterruptedException e) {
      answer.cancel();
      subscriber.onError(e);
    }
  }
}
