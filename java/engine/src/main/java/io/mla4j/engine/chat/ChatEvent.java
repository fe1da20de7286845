package io.mla4j.engine.chat;

import io.mla4j.Mla4jException;
import io.mla4j.engine.Event;
import io.mla4j.engine.FinishReason;
import io.mla4j.engine.Usage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What happened to a choice of a {@link ChatAnswer}. */
public sealed interface ChatEvent {
  /** Which of the request's texts, from 0. */
  int choice();

  /**
   * A token was chosen.
   *
   * @param token with its id and, where they were asked for, logarithms
   * @param deltas what it added to the answer, often nothing
   */
  record Token(int choice, Event.Token token, List<ChatDelta> deltas) implements ChatEvent {
    /** Copies the list. */
    public Token {
      deltas = List.copyOf(deltas);
    }
  }

  /**
   * The answer ended.
   *
   * @param deltas what still waited
   * @param message all of it
   * @param reason why
   * @param stopText the stop text that appeared, or null
   */
  record Finished(
      int choice,
      List<ChatDelta> deltas,
      Message message,
      FinishReason reason,
      @Nullable String stopText,
      Usage usage)
      implements ChatEvent {
    /** Copies the list. */
    public Finished {
      deltas = List.copyOf(deltas);
    }

    /** Whether it ended since the model waits for tools that it wants to have called. */
    public boolean callsTools() {
      return reason == FinishReason.STOP && !message.toolCalls().isEmpty();
    }
  }

  /** The answer could not be continued. */
  record Failed(int choice, Mla4jException error) implements ChatEvent {}
}
