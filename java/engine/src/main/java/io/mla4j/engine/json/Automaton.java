package io.mla4j.engine.json;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The states of a text of a rule, found as they are reached, each once. What is remembered is
 * bounded: past a size everything is forgotten, and found anew. Used by one thread at a time.
 */
final class Automaton {
  private static final int MOST_STATES = 8_000;
  private static final int MOST_MASKS = 256;

  private final Rule rule;
  private final Map<Set<Frame>, State> states = new HashMap<>();
  private int masks;

  Automaton(Rule rule) {
    this.rule = rule;
  }

  /** The beginning of a text. */
  @Nullable State start() {
    Frames frames = new Frames();
    if (rule.fits(0)) {
      frames.add(new Frame.Later(rule, 0, new Frame.Done()));
    }
    return state(frames);
  }

  /** The state that waits for the same as one that may have been forgotten. */
  State known(State state) {
    return states.computeIfAbsent(state.frames, State::new);
  }

  /** Null where nothing can come. */
  private @Nullable State state(Frames frames) {
    return frames.all().isEmpty() ? null : states.computeIfAbsent(frames.all(), State::new);
  }

  /** Makes room, between two walks. */
  void trim() {
    if (states.size() > MOST_STATES || masks > MOST_MASKS) {
      states.clear();
      masks = 0;
    }
  }

  /** A place in a text: what it waits for. */
  final class State {
    private final Set<Frame> frames;

    /** By bytes; {@link #wrong} where nothing can come, null where it was not looked for. */
    private @Nullable State @Nullable [] next;

    private long @Nullable [] mask;

    private State(Set<Frame> frames) {
      this.frames = frames;
    }

    /** Where a byte leads; null where it must not come. */
    @Nullable State next(int b) {
      @Nullable State[] found = next;
      if (found == null) {
        found = new @Nullable State[257];
        next = found;
      }
      State known = found[b];
      if (known == null) {
        known = find(b);
        found[b] = known;
      }
      return known == wrong ? null : known;
    }

    private State find(int b) {
      Frames to = new Frames();
      for (Frame frame : frames) {
        frame.step(b, to);
      }
      State found = state(to);
      return found == null ? wrong : found;
    }

    /** Where a token that is no text leads; null where it must not come. */
    @Nullable State nextToken(int id) {
      Frames to = new Frames();
      for (Frame frame : frames) {
        frame.stepToken(id, to);
      }
      return state(to);
    }

    /** Gives the tokens that are no text and may come. */
    void awaited(IntConsumer to) {
      frames.forEach(frame -> frame.awaited(to));
    }

    boolean mayEnd() {
      return frames.stream().anyMatch(Frame::mayEnd);
    }

    /** Whether nothing can follow. */
    boolean isEnd() {
      return frames.size() == 1 && frames.contains(new Frame.Done());
    }

    /** Sets the tokens that may come. */
    void mask(Vocabulary vocabulary, long[] allowed) {
      long[] known = mask;
      if (known == null) {
        known = maskOf(vocabulary, allowed.length);
        mask = known;
        masks++;
      }
      System.arraycopy(known, 0, allowed, 0, known.length);
    }

    private long[] maskOf(Vocabulary vocabulary, int length) {
      long[] mask = new long[length];
      if (within() instanceof Frame.InString string) {
        Frames behind = new Frames();
        behind.add(string.then());
        vocabulary.walkString(string.needed(), string.room(), state(behind), mask);
      } else {
        vocabulary.walk(this, mask);
      }
      awaited(id -> Vocabulary.set(mask, id));
      if (mayEnd()) {
        vocabulary.setEos(mask);
      }
      return mask;
    }

    /** The string that this is in, between two characters, where it is in nothing else; or null. */
    private @Nullable Frame within() {
      Frame only = frames.size() == 1 ? frames.iterator().next() : null;
      return only instanceof Frame.InString string && string.isBetween() ? only : null;
    }
  }

  private final State wrong = new State(Set.of());
}
