package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.InvalidArgumentException;
import io.mla4j.text.Generation;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** {@code mla4j generate}: continues a prompt, the text to stdout as it comes. */
final class GenerateCommand extends StreamCommand {
  private final ModelOptions options = new ModelOptions();

  private final Prompt prompt = new Prompt();
  int maxTokens = 128;
  double temperature = 0.8;
  int topK;
  double topP = 0.95;
  double minP;
  double repetitionPenalty = 1;
  Long seed;
  List<String> stop = List.of();
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
    args.one(
        "--max-tokens N",
        int.class,
        v -> maxTokens = v,
        "The most tokens to generate; default: 128.");
    args.one(
        "--temperature T",
        double.class,
        v -> temperature = v,
        "0 always takes the likeliest token; default: 0.8.");
    args.one(
        "--top-k K",
        int.class,
        v -> topK = v,
        "Draw from the K likeliest tokens; default: 0, all.");
    args.one(
        "--top-p P",
        double.class,
        v -> topP = v,
        "Draw from the likeliest tokens that reach P together; default: 0.95.");
    args.one(
        "--min-p P",
        double.class,
        v -> minP = v,
        "Draw from tokens at least P times as likely as the likeliest; default: 0.");
    args.one(
        "--repetition-penalty R",
        double.class,
        v -> repetitionPenalty = v,
        "Makes tokens that occurred less likely; default: 1, not.");
    args.one(
        "--seed S",
        Long.class,
        v -> seed = v,
        "The same seed gives the same text; default: another one each time.");
    args.several(
        "--stop TEXT",
        String.class,
        false,
        v -> stop = v,
        "End before this text; may come several times.");
    args.flag("--json", v -> json = v, "Print one JSON object at the end and nothing else.");
  }

  @Override
  public void execute() throws IOException {
    SamplingOptions sampling = sampling();
    checkRequest();
    options.check();
    String text = text();
    boolean withText = text != null || Files.exists(options.directory().resolve("tokenizer.json"));
    if (!withText && !stop.isEmpty()) {
      throw usage("--stop is a text, but " + options.directory() + " has no tokenizer.json");
    }
    try (Model model = builder(withText).open()) {
      int[] ids = text == null ? prompt.ids.ids() : model.tokenizer().encode(text, true);
      GenerationOptions how = new GenerationOptions(maxTokens, sampling, stop, null);
      Generation generation = model.generate(ids, how, listener());
      report(model, generation, withText);
    }
  }

  private Model.Builder builder(boolean withText) {
    Model.Builder builder = options.builder(streams);
    return withText ? builder : builder.withoutTokenizer();
  }

  private SamplingOptions sampling() {
    try {
      return new SamplingOptions(
          temperature,
          topK,
          topP,
          minP,
          repetitionPenalty,
          seed == null ? System.nanoTime() : seed);
    } catch (InvalidArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private void checkRequest() {
    if (maxTokens < 1) {
      throw usage("--max-tokens is " + maxTokens + ", but must be at least 1");
    }
    if (stop.contains("")) {
      throw usage("--stop is empty");
    }
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
      streams.err().println("mla4j: there is no tokenizer.json, so ids stand for the text");
    }
    streams
        .err()
        .printf(
            Locale.ROOT,
            "%d prompt tokens (%.1f/s), %d generated (%.1f/s), ended by %s, cache %s, %s%n",
            generation.promptTokens(),
            generation.promptTokensPerSecond(),
            generation.ids().length,
            generation.generatedTokensPerSecond(),
            reason(generation),
            Units.bytes(generation.cacheBytes()),
            model.summary());
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
    out.writeNumberField("cacheBytes", generation.cacheBytes());
    JsonPrinter.writeFigures(out, model);
  }

  private static String reason(Generation generation) {
    return generation.finishReason().name().toLowerCase(Locale.ROOT);
  }
}
