package io.mla4j.engine;

import io.mla4j.model.Decoder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;

/** A model that remembers what its steps did, and makes one whenever the test lets it. */
final class RecordedModel extends ForwardingModel {
  /** What a step did for a text: ids tell texts apart, since each test's prompts begin apart. */
  record Part(int firstId, int from, int to, int prompt) {
    boolean isDecode() {
      return from >= prompt;
    }
  }

  /** Steps that may be made; null for any number. */
  private final Semaphore steps;

  final List<List<Part>> made = new ArrayList<>();

  RecordedModel(EngineModel model, Semaphore steps) {
    super(model);
    this.steps = steps;
  }

  @Override
  public void step(List<Piece> pieces, Decoder.LogitConsumer consumer) {
    if (steps != null) {
      steps.acquireUninterruptibly();
    }
    List<Part> parts = new ArrayList<>();
    for (Piece piece : pieces) {
      parts.add(new Part(piece.text()[0], piece.from(), piece.to(), piece.prompt()));
    }
    // Before its tokens are told: whoever has the last one looks at once.
    synchronized (made) {
      made.add(parts);
    }
    try {
      model.step(pieces, consumer);
    } catch (RuntimeException | Error e) {
      synchronized (made) {
        made.removeLast();
      }
      throw e;
    }
  }

  @Override
  public void close() {
    if (steps != null) {
      steps.release(Integer.MAX_VALUE / 2);
    }
    super.close();
  }
}
