package io.mla4j.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ClosedException;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.PromptCut;
import io.mla4j.text.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A model that says what a function tells it, for tests of what is built on an engine: texts take
 * tokens, pages and steps as those of a model do, and nothing is computed.
 *
 * <pre>{@code
 * EngineModel model = ScriptedModel.ofIds(1000, Set.of(0), (text, prompt) -> text.length);
 * }</pre>
 */
public final class ScriptedModel implements EngineModel {
  private static final int PAGE = 16;
  private static final int CONTEXT = 1 << 16;

  /** What is said, above nothing for everything else. */
  private static final float CERTAIN = 30;

  /** What a scripted model says. */
  @FunctionalInterface
  public interface Script {
    /**
     * The token that follows {@code text}, whose first {@code prompt} tokens are the prompt. Called
     * by the engine's loop; what it throws fails the step.
     */
    int next(int[] text, int prompt);
  }

  private final @Nullable Tokenizer tokenizer;
  private final @Nullable ChatTemplate template;
  private final int vocabulary;
  private final Set<Integer> eos;
  private final Script script;
  private final Device device = Backends.open(new Backends.Choice("scalar", null, 1));
  private final Tensor logits;
  private boolean closed;

  private ScriptedModel(
      @Nullable Tokenizer tokenizer,
      @Nullable ChatTemplate template,
      int vocabulary,
      Set<Integer> eos,
      Script script) {
    if (vocabulary < 1) {
      throw new InvalidArgumentException(
          "vocabulary is " + vocabulary + ", but must be at least 1");
    }
    this.tokenizer = tokenizer;
    this.template = template;
    this.vocabulary = vocabulary;
    this.eos = Set.copyOf(eos);
    this.script = script;
    this.logits = Tensor.allocate(device, StorageFormat.F32, vocabulary);
  }

  /** One without text, whose ids are below {@code vocabulary}. */
  public static ScriptedModel ofIds(int vocabulary, Set<Integer> eos, Script script) {
    return new ScriptedModel(null, null, vocabulary, eos, script);
  }

  /**
   * One that answers texts with texts, and then ends.
   *
   * @param tokenizer its tokens, closed with this
   * @param template how it writes conversations, or null
   * @param vocabulary ids are below it
   * @param eos the id that ends an answer
   * @param answer what follows a prompt, special tokens included in both; a function of its
   *     argument, since it is asked for each token
   */
  public static ScriptedModel answering(
      Tokenizer tokenizer,
      @Nullable ChatTemplate template,
      int vocabulary,
      int eos,
      Function<String, String> answer) {
    Script script =
        (text, prompt) -> {
          String said = answer.apply(tokenizer.decode(Arrays.copyOf(text, prompt), false));
          int[] ids = tokenizer.encode(said, false);
          int at = text.length - prompt;
          return at < ids.length ? ids[at] : eos;
        };
    return new ScriptedModel(tokenizer, template, vocabulary, Set.of(eos), script);
  }

  /**
   * One that goes on with what was said, which a constraint may have chosen, and ends where there
   * is nothing more to say.
   *
   * @param more what follows a prompt and the text that was said since
   */
  public static ScriptedModel continuing(
      Tokenizer tokenizer,
      @Nullable ChatTemplate template,
      int vocabulary,
      int eos,
      BinaryOperator<String> more) {
    Script script =
        (text, prompt) -> {
          String said = tokenizer.decode(Arrays.copyOfRange(text, prompt, text.length), false);
          String before = tokenizer.decode(Arrays.copyOf(text, prompt), false);
          int[] ids = tokenizer.encode(more.apply(before, said), false);
          return ids.length > 0 ? ids[0] : eos;
        };
    return new ScriptedModel(tokenizer, template, vocabulary, Set.of(eos), script);
  }

  @Override
  public String name() {
    return "scripted";
  }

  @Override
  public String family() {
    return "scripted";
  }

  @Override
  public Optional<ModelDescription> description() {
    return Optional.empty();
  }

  @Override
  public String summary() {
    return "scripted";
  }

  @Override
  public int vocabulary() {
    return vocabulary;
  }

  @Override
  public int context() {
    return CONTEXT;
  }

  @Override
  public Set<Integer> eos() {
    return eos;
  }

  @Override
  public boolean hasTokenizer() {
    return tokenizer != null;
  }

  @Override
  public Tokenizer tokenizer() {
    if (tokenizer == null) {
      throw new InvalidArgumentException("the model has no tokenizer");
    }
    return tokenizer;
  }

  @Override
  public Optional<ChatTemplate> template() {
    return Optional.ofNullable(template);
  }

  @Override
  public PromptCut promptCut() {
    return PromptCut.anywhere(PAGE);
  }

  @Override
  public LatentCache.Builder cacheBuilder() {
    return LatentCache.builder(device)
        .layout(new LatentLayout(16, 16, CacheType.F32))
        .pageSize(PAGE);
  }

  @Override
  public synchronized void step(List<Piece> pieces, Decoder.LogitConsumer consumer) {
    if (closed) {
      throw new ClosedException("the model is closed");
    }
    Sequence[] sequences = pieces.stream().map(Piece::sequence).toArray(Sequence[]::new);
    int[] counts = pieces.stream().mapToInt(Piece::count).toArray();
    try (Step step = Batch.of(sequences).reserve(counts)) {
      int[][] said = new int[counts.length][];
      for (int i = 0; i < said.length; i++) {
        said[i] = says(pieces.get(i));
      }
      step.commit();
      int row = 0;
      for (int[] ids : said) {
        for (int id : ids) {
          logits.segment().fill((byte) 0);
          logits.segment().setAtIndex(JAVA_FLOAT, id, CERTAIN);
          consumer.accept(row++, logits);
        }
      }
    }
  }

  private int[] says(Piece piece) {
    int first =
        switch (piece.wanted()) {
          case NONE -> piece.to() + 1;
          case LAST -> piece.to();
          case ALL, EACH -> piece.from() + 1;
        };
    return IntStream.rangeClosed(first, piece.to())
        .map(end -> script.next(Arrays.copyOf(piece.text(), end), piece.prompt()))
        .toArray();
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      device.close();
      if (tokenizer != null) {
        tokenizer.close();
      }
    }
  }
}
