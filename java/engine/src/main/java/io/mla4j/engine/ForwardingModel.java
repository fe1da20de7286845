package io.mla4j.engine;

import io.mla4j.LatentCache;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.PromptCut;
import io.mla4j.text.Tokenizer;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Another model, of which a subclass changes something, such as what its steps do beside. */
public abstract class ForwardingModel implements EngineModel {
  /** The other one. */
  protected final EngineModel model;

  /**
   * As that model in everything.
   *
   * @param model is closed with this one
   */
  protected ForwardingModel(EngineModel model) {
    this.model = model;
  }

  @Override
  public void step(List<Piece> pieces, Decoder.LogitConsumer consumer) {
    model.step(pieces, consumer);
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
