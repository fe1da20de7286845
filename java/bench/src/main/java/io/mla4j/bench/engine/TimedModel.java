package io.mla4j.bench.engine;

import io.mla4j.LatentCache;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.engine.EngineModel;
import io.mla4j.model.Decoder;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.PromptCut;
import io.mla4j.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A model that notes how long its steps take: what is the decoder's, and what is the engine's, to
 * which rows of logits are handed and which prepares the next step.
 */
final class TimedModel implements EngineModel {
  private final EngineModel model;
  private final List<Step> steps = new ArrayList<>();
  private long lastEnd;

  /**
   * A step.
   *
   * @param texts that got a token
   * @param promptTokens that were read beside them
   * @param computed nanoseconds of the decoder, logits included
   * @param taken nanoseconds for which the engine had rows of logits
   * @param before nanoseconds since the end of the step before
   */
  record Step(int texts, int promptTokens, long computed, long taken, long before) {
    long whole() {
      return computed + taken + before;
    }

    long own() {
      return taken + before;
    }
  }

  TimedModel(EngineModel model) {
    this.model = model;
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
    synchronized (steps) {
      steps.add(new Step(texts, promptTokens, end - begin - taken[0], taken[0], begin - lastEnd));
    }
    lastEnd = end;
  }

  /** The steps since the last call. */
  List<Step> takeSteps() {
    synchronized (steps) {
      List<Step> all = List.copyOf(steps);
      steps.clear();
      return all;
    }
  }

  @Override
  public String name() {
    return model.name();
  }

  @Override
  public String family() {
    return model.family();
  }

  @Override
  public Optional<ModelDescription> description() {
    return model.description();
  }

  @Override
  public String summary() {
    return model.summary();
  }

  @Override
  public int vocabulary() {
    return model.vocabulary();
  }

  @Override
  public int context() {
    return model.context();
  }

  @Override
  public Set<Integer> eos() {
    return model.eos();
  }

  @Override
  public boolean hasTokenizer() {
    return model.hasTokenizer();
  }

  @Override
  public Tokenizer tokenizer() {
    return model.tokenizer();
  }

  @Override
  public Optional<ChatTemplate> template() {
    return model.template();
  }

  @Override
  public PromptCut promptCut() {
    return model.promptCut();
  }

  @Override
  public LatentCache.Builder cacheBuilder() {
    return model.cacheBuilder();
  }

  @Override
  public void close() {
    model.close();
  }
}
