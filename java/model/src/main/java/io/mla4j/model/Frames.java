package io.mla4j.model;

import java.util.Arrays;

/**
 * The frames of a kind of step: of few tokens one for each number, since steps of one and of
 * several tokens take turns where guesses are checked; else the last. Belongs to one thread at a
 * time.
 */
final class Frames implements AutoCloseable {
  /** The most tokens of a step whose frame is kept beside others. */
  private static final int SHORT = 16;

  private final Graph graph;
  private final Activations activations;
  private final Frame[] shortFrames = new Frame[SHORT + 1];
  private Frame longFrame;

  Frames(Graph graph) {
    this.graph = graph;
    this.activations = new Activations(graph.device());
  }

  /** The frame of steps of {@code n} tokens. */
  Frame of(int n) {
    Frame known = n <= SHORT ? shortFrames[n] : longFrame;
    if (known != null && known.n() == n) {
      return known;
    }
    if (activations.reserve(Math.max(n, SHORT))) {
      // What is there is bound to memory that has gone.
      Arrays.fill(shortFrames, null);
      longFrame = null;
    }
    Frame made = new Frame(graph, activations, n);
    if (n <= SHORT) {
      shortFrames[n] = made;
    } else {
      longFrame = made;
    }
    return made;
  }

  @Override
  public void close() {
    activations.close();
  }
}
