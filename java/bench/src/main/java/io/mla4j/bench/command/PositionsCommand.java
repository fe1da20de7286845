package io.mla4j.bench.command;

import io.mla4j.Backends;
import io.mla4j.Mla4jException;
import io.mla4j.bench.PositionsBench;
import io.mla4j.bench.PositionsReport;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.checkpoint.PositionOverride;
import io.mla4j.cli.Args;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/** {@code mla4j positions}: how long a context a model holds out, by how positions are told. */
final class PositionsCommand extends ReadingCommand {
  private int tokens = 8192;
  private String contexts = "256,512,1024,2048,4096,8192";
  private List<String> scalings = List.of();
  private boolean alibi;
  private Path json;
  private Path plot;

  @Override
  public void declare(Args args) {
    args.description(
        "Compare perplexity by context and position for ways to tell positions: as configured, and"
            + " overridden.");
    declareReading(args, "Default: the fastest.");
    args.one(
        "--tokens N",
        int.class,
        v -> tokens = v,
        "Tokens of the text, the same for every context; default: 8192.");
    args.one(
        "--context N,N,..",
        String.class,
        v -> contexts = v,
        "Tokens of a window, rising; default: " + contexts + ".");
    args.several(
        "--rope-scaling HOW",
        String.class,
        false,
        v -> scalings = v,
        "As for mla4j perplexity; may come several times. Default: none, linear:F, ntk:F,"
            + " dynamic:F and yarn:F,L, L being the model's context and F the longest window over"
            + " it.");
    args.flag("--alibi", v -> alibi = v, "Compare linear biases too.");
    args.one("--json FILE", Path.class, v -> json = v, "Every figure.");
    args.one("--plot DIR", Path.class, v -> plot = v, "Curves, SVG and PNG.");
  }

  @Override
  public void execute() throws IOException {
    range("--tokens", tokens, 2);
    range("--threads", threads, 0);
    List<Integer> lengths = lengths();
    scalings.forEach(PositionOverride::rope);
    if (json != null) {
      OutputFile.check(json);
    }
    if (plot != null) {
      Files.createDirectories(plot);
    }
    Path directory = directory();
    Path file = text();
    String content = text(file);
    ModelDescription description = ConfigReader.read(directory);
    try (Tokenizer tokenizer = Tokenizer.open(directory)) {
      int[] ids = tokenizer.encode(content, false);
      ids = Arrays.copyOf(ids, Math.min(ids.length, tokens));
      if (ids.length == 0) {
        throw new Mla4jException(file + ": has no tokens");
      }
      OptionalInt bos = tokenizer.bos().isPresent() ? tokenizer.bos() : description.bos();
      int start =
          bos.orElseThrow(
              () -> new Mla4jException("the model has no BOS token, which starts every window"));
      Backends.Choice choice = new Backends.Choice(backend, null, threads);
      List<PositionsBench.Result> results =
          new PositionsBench(directory, choice, start, ids, lengths)
              .run(settings(description, lengths.getLast()), err()::println);
      String about =
          directory.getFileName()
              + ", the first "
              + ids.length
              + " tokens of "
              + file.getFileName();
      PositionsReport report = new PositionsReport(about, lengths, results);
      out().print(report.markdown());
      out().flush();
      if (json != null) {
        report.write(json);
      }
      if (plot != null) {
        report.plot(plot).forEach(err()::println);
      }
    }
  }

  private List<Integer> lengths() {
    List<Integer> lengths = new ArrayList<>();
    for (String text : contexts.split(",", -1)) {
      int last = lengths.isEmpty() ? 1 : lengths.getLast();
      int length;
      try {
        length = Integer.parseInt(text.strip());
      } catch (NumberFormatException e) {
        length = 0;
      }
      if (length <= last || length > MAX_TOKENS) {
        throw usage(
            "--context is "
                + contexts
                + ", but must be rising numbers in 2.."
                + MAX_TOKENS
                + " with commas between them");
      }
      lengths.add(length);
    }
    return lengths;
  }

  private List<String> settings(ModelDescription description, int longest) {
    List<String> settings = new ArrayList<>(List.of(PositionsBench.CONFIGURED));
    boolean rotates =
        description.layers().stream()
            .flatMap(layer -> layer.attention().rotation().stream())
            .anyMatch(rope -> rope.width() > 0);
    if (!scalings.isEmpty()) {
      settings.addAll(scalings);
    } else if (rotates) {
      int context = description.context();
      int factor = Math.max(2, Math.ceilDiv(longest, context));
      settings.add("none");
      settings.add("linear:" + factor);
      settings.add("ntk:" + factor);
      settings.add("dynamic:" + factor);
      settings.add("yarn:" + factor + "," + context);
    }
    if (alibi) {
      settings.add("alibi");
    }
    return settings;
  }
}
