package io.mla4j.bench.engine;

import com.sun.management.ThreadMXBean;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.ForwardingModel;
import io.mla4j.model.Decoder;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/**
 * A model that notes how long its steps take: what is the decoder's, and what is the engine's, to
 * which rows of logits are handed and which prepares the next step.
 */
final class TimedModel extends ForwardingModel {
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final List<Step> steps = new ArrayList<>();
  private long lastEnd;
  private long lastAllocated;

  /**
   * A step.
   *
   * @param texts that got a token
   * @param promptTokens that were read beside them
   * @param computed nanoseconds of the decoder, logits included
   * @param taken nanoseconds for which the engine had rows of logits
   * @param before nanoseconds since the end of the step before
   * @param garbage bytes that the engine's thread allocated since then
   */
  record Step(int texts, int promptTokens, long computed, long taken, long before, long garbage) {
    long whole() {
      return computed + taken + before;
    }

    long own() {
      return taken + before;
    }
  }

  TimedModel(EngineModel model) {
    super(model);
  }

  @Override
  public void step(List<Piece> pieces, Decoder.LogitConsumer consumer) {
    int texts = 0;
    int promptTokens = 0;
    for (Piece piece : pieces) {
      boolean reads = piece.from() < piece.prompt();
      texts += reads ? 0 : 1;
      promptTokens += reads ? piece.count() : 0;
    }
    long[] taken = {0};
    long begin = System.nanoTime();
    model.step(
        pieces,
        (row, logits) -> {
          long start = System.nanoTime();
          consumer.accept(row, logits);
          taken[0] += System.nanoTime() - start;
        });
    long end = System.nanoTime();
    long allocated = THREADS.getCurrentThreadAllocatedBytes();
    synchronized (steps) {
      steps.add(
          new Step(
              texts,
              promptTokens,
              end - begin - taken[0],
              taken[0],
              begin - lastEnd,
              allocated - lastAllocated));
    }
    lastEnd = end;
    lastAllocated = allocated;
  }

  /** The steps since the last call. */
  List<Step> takeSteps() {
    synchronized (steps) {
      List<Step> all = List.copyOf(steps);
      steps.clear();
      return all;
    }
  }
}
