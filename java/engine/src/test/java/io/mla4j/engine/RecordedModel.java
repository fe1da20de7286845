package io.mla4j.engine;

import io.mla4j.LatentCache;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.PromptCut;
import io.mla4j.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Semaphore;

/** A model that remembers what its steps did, and makes one whenever the test lets it. */
final class RecordedModel implements EngineModel {
  /** What a step did for a text: ids tell texts apart, since each test's prompts begin apart. */
  record Part(int firstId, int from, int to, int prompt) {
    boolean isDecode() {
      return from >= prompt;
    }
  }

  private final EngineModel model;

  /** Steps that may be made; null for any number. */
  private final Semaphore steps;

  final List<List<Part>> made = new ArrayList<>();

  RecordedModel(EngineModel model, Semaphore steps) {
    this.model = model;
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
    model.step(pieces, consumer);
    synchronized (made) {
      made.add(parts);
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
    if (steps != null) {
      steps.release(Integer.MAX_VALUE / 2);
    }
    model.close();
  }
}
