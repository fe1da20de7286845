package io.mla4j.engine;

import io.mla4j.InvalidStateException;
import io.mla4j.PrefixCache;
import io.mla4j.Sequence;
import io.mla4j.text.Sampler;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One of the texts of a request: its tokens, its place in the cache, and how it goes on. Belongs to
 * the loop; what others see of it is volatile.
 */
final class Text {
  final Ticket ticket;
  final int choice;
  final int promptTokens;
  final Sampler sampler;
  final Writer writer;

  /** Null for none. */
  final @Nullable Constraint constraint;

  /** Which tokens the constraint allows; null without one. */
  final long @Nullable [] allowed;

  /** Prompt and text; those from the sequence's length on are not cached yet. */
  int[] ids;

  volatile int count;

  /** Its prompt's body, once it was asked for. */
  PrefixCache.@Nullable Beginning beginning;

  /** Null while it waits. */
  @Nullable Sequence sequence;

  /** Tokens of the prompt that were in the cache already. */
  volatile int cachedTokens;

  volatile Running.State state = Running.State.WAITING;

  /** Of its prompt, until its first token is there; null where nobody records it. */
  Recorded.@Nullable Prefill prefill;

  /** What it may go on with. */
  final TextGuesses guesses = new TextGuesses();

  /** When its last token was chosen; 0 before the first. */
  long lastToken;

  Text(
      Ticket ticket,
      int choice,
      EngineModel model,
      Sampler.Scratch scratch,
      @Nullable Constraint constraint) {
    this.ticket = ticket;
    this.choice = choice;
    this.promptTokens = ticket.prompt.length;
    Request request = ticket.request;
    this.sampler =
        new Sampler(request.sampling().withSeed(request.sampling().seed() + choice), scratch);
    for (int id : ticket.prompt) {
      sampler.observe(id);
    }
    this.writer = new Writer(model, request);
    this.constraint = constraint;
    this.allowed =
        constraint == null ? null : new long[Math.ceilDiv(model.vocabulary(), Long.SIZE)];
    this.ids = Arrays.copyOf(ticket.prompt, promptTokens + 16);
    this.count = promptTokens;
  }

  /**
   * Its place in the cache.
   *
   * @throws InvalidStateException while it waits for one
   */
  Sequence place() {
    if (sequence == null) {
      throw new InvalidStateException("text " + choice + " of request " + ticket.id + " waits");
    }
    return sequence;
  }

  void push(int id) {
    reserve(1);
    ids[count] = id;
    count = count + 1;
  }

  /** Writes guesses behind its tokens, until others are pushed. */
  void foresee(int[] guessed) {
    reserve(guessed.length);
    System.arraycopy(guessed, 0, ids, count, guessed.length);
  }

  private void reserve(int more) {
    if (count + more > ids.length) {
      ids = Arrays.copyOf(ids, Math.max(2 * count, count + more));
    }
  }

  int generated() {
    return count - promptTokens;
  }

  Usage usage() {
    return new Usage(promptTokens, cachedTokens, generated());
  }

  /** Whether it was submitted after {@code other}. */
  boolean isYoungerThan(Text other) {
    return ticket.id != other.ticket.id ? ticket.id > other.ticket.id : choice > other.choice;
  }
}
