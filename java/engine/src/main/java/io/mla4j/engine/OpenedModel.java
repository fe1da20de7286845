package io.mla4j.engine;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;
import io.mla4j.model.Decoder.Wanted;
import io.mla4j.ops.Tensor;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Model;
import io.mla4j.text.PromptCut;
import io.mla4j.text.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A model of a file or folder. */
final class OpenedModel implements EngineModel {
  private final Path path;
  private final Model model;
  private final Decoder decoder;
  private final Set<Integer> eos;

  /** Null for the model's own. */
  private final @Nullable ChatTemplate template;

  private final PromptCut cut;

  private OpenedModel(Path path, Model model, @Nullable ChatTemplate template) {
    this.path = path;
    this.template = template;
    this.model = model;
    this.decoder = model.decoder();
    this.eos = Set.copyOf(model.description().eos());
    this.cut = PromptCut.of(decoder);
  }

  /** Opens it; a tokenizer that cannot be used is as none. */
  static OpenedModel open(Path path, EngineOptions options) {
    Recorded.ModelLoad event = Recorded.load();
    Model model =
        Model.builder(path)
            .backend(options.backend())
            .isa(options.isa())
            .threads(options.threads())
            .compute(options.compute())
            .cacheType(options.cacheType())
            .pageSize(options.pageSize())
            .form(AttentionForm.AUTO)
            .chunk(options.tokenBudget())
            .tokenizerIfUsable()
            .open();
    OpenedModel opened = new OpenedModel(path, model, options.template());
    if (event != null) {
      event.end(opened);
    }
    return opened;
  }

  @Override
  public String name() {
    Path file = path.toAbsolutePath().normalize().getFileName();
    return file == null ? "model" : file.toString();
  }

  @Override
  public String family() {
    return model.description().family();
  }

  @Override
  public Optional<ModelDescription> description() {
    return Optional.of(model.description());
  }

  @Override
  public String summary() {
    return model.summary();
  }

  @Override
  public int vocabulary() {
    return model.description().vocabulary();
  }

  @Override
  public int context() {
    return model.description().context();
  }

  @Override
  public Set<Integer> eos() {
    return eos;
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
    return template == null ? ChatTemplate.find(path) : Optional.of(template);
  }

  @Override
  public PromptCut promptCut() {
    return cut;
  }

  @Override
  public LatentCache.Builder cacheBuilder() {
    return decoder.cacheBuilder();
  }

  @Override
  public void step(List<Piece> pieces, Decoder.LogitConsumer consumer) {
    Sequence[] sequences = new Sequence[pieces.size()];
    int[][] ids = new int[sequences.length][];
    Wanted[] wanted = new Wanted[sequences.length];
    for (int i = 0; i < sequences.length; i++) {
      Piece piece = pieces.get(i);
      sequences[i] = piece.sequence();
      ids[i] = Arrays.copyOfRange(piece.text(), piece.from(), piece.to());
      wanted[i] = piece.wanted();
    }
    Tensor hidden = decoder.forward(Batch.of(sequences), wanted, null, ids);
    if (hidden != null) {
      decoder.logits(hidden, consumer);
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
