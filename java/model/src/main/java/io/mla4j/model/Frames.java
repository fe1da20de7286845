package io.mla4j.model;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The frames of a kind of step: of few tokens one for each number, since steps of one and of
 * several tokens take turns where guesses are checked; of more those that were used last, since
 * steps of many texts take turns with those that read prompts too. Belongs to one thread at a time.
 */
final class Frames implements AutoCloseable {
  /** The most tokens of a step whose frame is kept beside others. */
  private static final int SHORT = 16;

  /** The most frames of longer steps. */
  private static final int LONG = 8;

  private final Graph graph;
  private final Activations activations;
  private final Frame[] shortFrames = new Frame[SHORT + 1];

  /** By their tokens, the one that was used last at the end. */
  private final Map<Integer, Frame> longFrames =
      new LinkedHashMap<>(LONG + 1, 1, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Integer, Frame> eldest) {
          return size() > LONG;
        }
      };

  Frames(Graph graph) {
    this.graph = graph;
    this.activations = new Activations(graph.device());
  }

  /** The frame of steps of {@code n} tokens. */
  Frame of(int n) {
    Frame known = n <= SHORT ? shortFrames[n] : longFrames.get(n);
    if (known != null) {
      return known;
    }
    if (activations.reserve(Math.max(n, SHORT))) {
      // What is there is bound to memory that has gone.
      Arrays.fill(shortFrames, null);
      longFrames.clear();
    }
    Frame made = new Frame(graph, activations, n);
    if (n <= SHORT) {
      shortFrames[n] = made;
    } else {
      longFrames.put(n, made);
    }
    return made;
  }

  @Override
  public void close() {
    activations.close();
  }
}
