package io.mla4j.server;

import io.mla4j.engine.Answer;
import io.mla4j.engine.Engine;
import io.mla4j.engine.Event;
import io.mla4j.engine.Request;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The answers to several requests as one. Closing it cancels what has not ended. Belongs to one
 * thread.
 */
final class Merged implements AutoCloseable {
  private final List<Answer> answers;

  /** What the threads that read have read; null where there is one answer. */
  private final BlockingQueue<Item> read;

  private final AtomicInteger reading;

  /**
   * An event.
   *
   * @param request whose it is
   */
  record Item(int request, Event event) {}

  private Merged(List<Answer> answers) {
    this.answers = answers;
    this.reading = new AtomicInteger(answers.size());
    this.read = answers.size() == 1 ? null : new LinkedBlockingQueue<>();
    if (read != null) {
      for (int i = 0; i < answers.size(); i++) {
        int request = i;
        Thread.ofVirtual().name("mla4j-merge").start(() -> gather(request));
      }
    }
  }

  /** Submits all requests, or none where one is refused. */
  static Merged submit(Engine engine, List<Request> requests) {
    List<Answer> answers = new ArrayList<>();
    try {
      requests.forEach(request -> answers.add(engine.submit(request)));
    } catch (RuntimeException e) {
      answers.forEach(Answer::cancel);
      throw e;
    }
    return new Merged(answers);
  }

  private void gather(int request) {
    Answer answer = answers.get(request);
    try {
      for (Event event = answer.next(); event != null; event = answer.next()) {
        read.add(new Item(request, event));
      }
    } catch (InterruptedException e) {
      answer.cancel();
    } finally {
      reading.decrementAndGet();
    }
  }

  /** The next event; null where none came in time or none will come. */
  Item poll(Duration most) throws InterruptedException {
    if (read != null) {
      return read.poll(most.toNanos(), TimeUnit.NANOSECONDS);
    }
    Event event = answers.getFirst().poll(most);
    return event == null ? null : new Item(0, event);
  }

  /** Whether the last event was taken. */
  boolean isRead() {
    return read == null ? answers.getFirst().isRead() : reading.get() == 0 && read.isEmpty();
  }

  @Override
  public void close() {
    answers.forEach(Answer::cancel);
  }
}
