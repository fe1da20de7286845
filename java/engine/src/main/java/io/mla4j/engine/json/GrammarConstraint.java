package io.mla4j.engine.json;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Constraint;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A text of a {@link Grammar}. */
final class GrammarConstraint implements Constraint {
  private final Vocabulary vocabulary;

  /** Shared by all constraints of a grammar, and their lock. */
  private final Automaton automaton;

  /** Null behind the end. */
  private Automaton.@Nullable State state;

  GrammarConstraint(Vocabulary vocabulary, Automaton automaton) {
    this.vocabulary = vocabulary;
    this.automaton = automaton;
    synchronized (automaton) {
      state = automaton.start();
    }
  }

  private GrammarConstraint(GrammarConstraint other) {
    vocabulary = other.vocabulary;
    automaton = other.automaton;
    state = other.state;
  }

  @Override
  public void mask(long[] allowed) {
    if (state == null) {
      Arrays.fill(allowed, 0);
      vocabulary.setEos(allowed);
      return;
    }
    synchronized (automaton) {
      automaton.trim();
      state = automaton.known(state);
      state.mask(vocabulary, allowed);
    }
  }

  @Override
  public void accept(int id) {
    if (!tryAccept(id)) {
      throw new InvalidArgumentException("the token " + id + " is not allowed here");
    }
  }

  /** As {@link #accept}; false, and nothing is changed, where the token is not allowed. */
  boolean tryAccept(int id) {
    if (vocabulary.isEos(id)) {
      boolean may = state == null || state.mayEnd();
      state = may ? null : state;
      return may;
    }
    byte[] bytes = id < 0 || id >= vocabulary.size() ? null : vocabulary.bytes(id);
    if (state == null) {
      return false;
    }
    synchronized (automaton) {
      Automaton.State at = bytes == null ? state.nextToken(id) : state;
      for (int i = 0; bytes != null && i < bytes.length && at != null; i++) {
        at = at.next(bytes[i] & 0xFF);
      }
      state = at == null ? state : at;
      return at != null;
    }
  }

  @Override
  public boolean isComplete() {
    return state == null || state.isEnd() || !vocabulary.hasEos() && state.mayEnd();
  }

  @Override
  public Constraint fork() {
    return new GrammarConstraint(this);
  }
}
