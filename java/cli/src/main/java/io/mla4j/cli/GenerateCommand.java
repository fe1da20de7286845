package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.text.ChatMessage;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Generation;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import io.mla4j.text.Speculation;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** {@code mla4j generate}: continues a prompt, the text to stdout as it comes. */
final class GenerateCommand extends StreamCommand {
  private final ModelOptions options = new ModelOptions();

  private final Prompt prompt = new Prompt();
  private final SamplingArguments sampling = new SamplingArguments(this, 128);
  private final TemplateArguments template = new TemplateArguments(this);
  private final CacheArguments cache = new CacheArguments(this);
  boolean chat;
  boolean json;

  /** One of the ways to give a prompt. */
  static final class Prompt {
    String text;

    Path file;

    IdList ids;
  }

  @Override
  public void declare(Args args) {
    args.description(
        "Continue a prompt: the text goes to stdout as it comes, a summary to stderr at the end.");
    options.declare(args);
    options.declarePositions(args);
    args.oneOf(
        group -> {
          group.one(
              "--prompt TEXT",
              String.class,
              v -> prompt.text = v,
              "The text to continue, or - for stdin without its last line end.");
          group.one(
              "--prompt-file FILE",
              Path.class,
              v -> prompt.file = v,
              "A file with the text to continue, UTF-8, without its last line end.");
          group.one(
              "--ids 0,5,..",
              IdList.class,
              v -> prompt.ids = v,
              "Token ids to continue, taken as they are: no BOS is added, and without a"
                  + " tokenizer.json ids come out.");
        });
    args.flag(
        "--chat",
        v -> chat = v,
        "Take the text as a message, which the model's chat template makes a prompt of.");
    template.declare(args);
    sampling.declare(args);
    cache.declare(args);
    args.flag("--json", v -> json = v, "Print one JSON object at the end and nothing else.");
  }

  @Override
  public void execute() throws IOException {
    SamplingOptions how = sampling.check();
    options.check();
    String text = text();
    if (chat && text == null) {
      throw usage("--chat needs a text, not --ids");
    }
    if (template.given() && !chat) {
      throw usage("--template and --set need --chat");
    }
    if (chat && cache.load() != null) {
      throw usage("--load-cache has a text that goes on, so --chat cannot begin a conversation");
    }
    cache.check();
    ChatTemplate written = chat ? template.find(options.directory()) : null;
    boolean mayHaveText = text != null || Tokenizer.exists(options.directory());
    if (!mayHaveText && !sampling.stop().isEmpty()) {
      throw usage("--stop is a text, but " + options.directory() + " has no tokenizer.json");
    }
    try (Model model = builder(mayHaveText, text == null).open()) {
      boolean withText = mayHaveText && model.hasTokenizer();
      if (!withText && !sampling.stop().isEmpty()) {
        throw usage("--stop is a text, but " + options.directory() + " has no usable tokenizer");
      }
      int[] ids = text == null ? prompt.ids.ids() : encode(model, written, text);
      try (Session session = cache.session(model, ids.length + sampling.maxTokens())) {
        Generation generation = session.generate(ids, sampling.until(how, null), listener());
        report(model, generation, withText);
        cache.save(session);
      }
    }
  }

  private int[] encode(Model model, ChatTemplate written, String text) {
    return written == null
        ? model.tokenizer().encode(text, cache.load() == null)
        : model
            .tokenizer()
            .encode(written.render(List.of(ChatMessage.user(text)), template.options()), false);
  }

  /** Ids need no tokenizer, so one that is broken is as none. */
  private Model.Builder builder(boolean withText, boolean ifUsable) {
    Model.Builder builder = options.builder(streams);
    return !withText
        ? builder.withoutTokenizer()
        : ifUsable ? builder.tokenizerIfUsable() : builder;
  }

  /** The prompt's text, or null where it is given as ids. */
  private String text() throws IOException {
    if (prompt.ids != null) {
      return null;
    }
    if (prompt.file != null) {
      return withoutLineEnd(TextFiles.read(prompt.file));
    }
    return prompt.text.equals("-") ? withoutLineEnd(TextFiles.read(streams.in())) : prompt.text;
  }

  /** Files and what echo prints end in a line end that nobody means to continue. */
  private static String withoutLineEnd(String text) {
    return text.replaceFirst("\\r?\\n\\z", "");
  }

  private Consumer<String> listener() {
    if (json) {
      return _ -> {};
    }
    return piece -> {
      streams.out().print(piece);
      endResults();
    };
  }

  private void report(Model model, Generation generation, boolean withText) throws IOException {
    if (json) {
      JsonPrinter.print(streams.out(), out -> write(out, model, generation, withText));
      return;
    }
    if (!withText) {
      streams.out().print(IdList.text(generation.ids()));
    }
    streams.out().println();
    endResults();
    if (!withText) {
      streams
          .err()
          .println(
              "mla4j: "
                  + model.tokenizerProblem().orElse("there is no tokenizer.json")
                  + ", so ids stand for the text");
    }
    streams
        .err()
        .printf(
            Locale.ROOT,
            "%d prompt tokens (%.1f/s), %d generated (%.1f/s), ended by %s%s, cache %s, %s%n",
            generation.promptTokens(),
            generation.promptTokensPerSecond(),
            generation.ids().length,
            generation.generatedTokensPerSecond(),
            reason(generation),
            sampling.told(generation),
            Units.bytes(generation.cacheBytes()),
            model.summary() + options.told());
  }

  private static void write(JsonGenerator out, Model model, Generation generation, boolean withText)
      throws IOException {
    if (withText) {
      out.writeStringField("text", generation.text());
    }
    out.writeFieldName("ids");
    out.writeArray(generation.ids(), 0, generation.ids().length);
    out.writeStringField("finishReason", reason(generation));
    out.writeNumberField("promptTokens", generation.promptTokens());
    out.writeNumberField("generatedTokens", generation.ids().length);
    out.writeNumberField("promptTokensPerSecond", generation.promptTokensPerSecond());
    out.writeNumberField("generatedTokensPerSecond", generation.generatedTokensPerSecond());
    Speculation.Figures guesses = generation.speculated();
    if (guesses.passes() > 0) {
      out.writeNumberField("passes", guesses.passes());
      out.writeNumberField("guessedTokens", guesses.guessed());
      out.writeNumberField("acceptedTokens", guesses.accepted());
    }
    out.writeNumberField("cacheBytes", generation.cacheBytes());
    JsonPrinter.writeFigures(out, model);
  }

  private static String reason(Generation generation) {
    return generation.finishReason().name().toLowerCase(Locale.ROOT);
  }
}
