package io.mla4j.engine.chat;

import io.mla4j.engine.Constraint;
import io.mla4j.engine.json.Vocabulary;
import java.util.OptionalInt;

/** A constraint that holds once the model has ended its reasoning, which may be anything. */
final class BehindReasoning implements Constraint {
  private final Vocabulary vocabulary;
  private final OptionalInt open;
  private final OptionalInt close;

  /** The end as text, where it is no token. */
  private final String closeText;

  private final Constraint answer;
  private State state;

  /** The text so far, as far as the end may be in it. */
  private String tail = "";

  private enum State {
    /** It may begin with reasoning, or with the answer. */
    START,
    REASONING,
    ANSWER
  }

  BehindReasoning(
      Vocabulary vocabulary, ReasoningFormat format, boolean isOpen, Constraint answer) {
    this.vocabulary = vocabulary;
    open = vocabulary.controls().id(format.open());
    close = vocabulary.controls().id(format.close());
    closeText = format.close();
    this.answer = answer;
    state = isOpen ? State.REASONING : open.isPresent() ? State.START : State.ANSWER;
  }

  private BehindReasoning(BehindReasoning other) {
    vocabulary = other.vocabulary;
    open = other.open;
    close = other.close;
    closeText = other.closeText;
    answer = other.answer.fork();
    state = other.state;
    tail = other.tail;
  }

  @Override
  public void mask(long[] allowed) {
    switch (state) {
      case START -> {
        answer.mask(allowed);
        allowed[open.getAsInt() >> 6] |= 1L << open.getAsInt();
      }
      case REASONING -> vocabulary.allButEnds(allowed);
      case ANSWER -> answer.mask(allowed);
    }
  }

  @Override
  public void accept(int id) {
    switch (state) {
      case START -> {
        if (id == open.getAsInt()) {
          state = State.REASONING;
        } else {
          state = State.ANSWER;
          answer.accept(id);
        }
      }
      case REASONING -> {
        if (close.isPresent() ? id == close.getAsInt() : endsText(id)) {
          state = State.ANSWER;
        }
      }
      case ANSWER -> answer.accept(id);
    }
  }

  private boolean endsText(int id) {
    String text = tail + vocabulary.text(id);
    tail = text.substring(Math.max(0, text.length() - closeText.length() + 1));
    return text.contains(closeText);
  }

  @Override
  public boolean isComplete() {
    return state == State.ANSWER && answer.isComplete();
  }

  @Override
  public Constraint fork() {
    return new BehindReasoning(this);
  }
}
