package io.mla4j.engine;

import io.mla4j.text.Sampler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A request that was taken, from its submission to the end of its last text. */
final class Ticket {
  final long id;
  final Request request;
  final int[] prompt;
  final StreamedAnswer answer;

  /** Nanoseconds, as {@link System#nanoTime}. */
  final long submitted;

  final long deadline;
  final boolean hasDeadline;

  /**
   * Its texts that have begun and not ended; those after the first begin once the prompt is read.
   */
  final List<Text> texts = new ArrayList<>();

  private int born;

  private @Nullable Text next;

  /** Whether its first step has been made. */
  boolean started;

  Ticket(long id, Request request, int[] prompt, StreamedAnswer answer, long now) {
    this.id = id;
    this.request = request;
    this.prompt = prompt;
    this.answer = answer;
    this.submitted = now;
    Duration most = request.deadline();
    this.hasDeadline = most != null;
    this.deadline = most == null ? 0 : now + saturated(most);
  }

  private static long saturated(Duration most) {
    try {
      return Math.min(most.toNanos(), Long.MAX_VALUE / 4);
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE / 4;
    }
  }

  /** Its next text, which does not begin yet: the same one until it does. */
  Text next(EngineModel model, Sampler.Scratch scratch, Supplier<@Nullable Constraint> constraint) {
    Text text = next;
    if (text == null) {
      text = new Text(this, born, model, scratch, constraint.get());
      next = text;
    }
    return text;
  }

  /** Its next text begins. */
  void begin(Text text) {
    texts.add(text);
    next = null;
    born++;
  }

  boolean hasUnborn() {
    return born < request.n();
  }

  /** The number of its next text, which does not begin. */
  int skip() {
    next = null;
    return born++;
  }

  String tenant() {
    return request.tenant();
  }

  boolean isLate(long now) {
    return hasDeadline && now - deadline >= 0;
  }
}
