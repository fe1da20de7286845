package io.mla4j.bench.command;

import io.mla4j.Backends;
import io.mla4j.Mla4jException;
import io.mla4j.bench.PrecisionBench;
import io.mla4j.bench.PrecisionReport;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.cli.Args;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** {@code mla4j precision}: what each type of cache and of computing changes. */
final class PrecisionCommand extends ReadingCommand {
  private int tokens = 1024;
  private int window = 256;
  private Path json;
  private Path plot;

  @Override
  public void declare(Args args) {
    args.description(
        "Compare every type of cache, compute type and form on every CPU backend with float32, and"
            + " attention with double precision, while a model reads a text.");
    declareReading(args, "One backend only.");
    args.one("--tokens N", int.class, v -> tokens = v, "Tokens of the text; default: 1024.");
    args.one(
        "--window N", int.class, v -> window = v, "Tokens that are read at once; default: 256.");
    args.one("--json FILE", Path.class, v -> json = v, "Every figure, by layer.");
    args.one("--plot DIR", Path.class, v -> plot = v, "Errors along the depth, SVG and PNG.");
  }

  @Override
  public void execute() throws IOException {
    range("--tokens", tokens, 2);
    range("--window", window, 2);
    range("--threads", threads, 0);
    if (json != null) {
      OutputFile.check(json);
    }
    if (plot != null) {
      Files.createDirectories(plot);
    }
    Path directory = directory();
    Path file = text();
    String content = text(file);
    try (Checkpoint checkpoint = Checkpoint.open(directory);
        Tokenizer tokenizer = Tokenizer.open(directory)) {
      int[][] windows = windows(tokenizer.encode(content, false), file);
      PrecisionReport report =
          new PrecisionBench(checkpoint, windows)
              .run(directory.getFileName().toString(), backends(), line -> err().println(line));
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

  private int[][] windows(int[] all, Path file) {
    int[] ids = Arrays.copyOf(all, Math.min(all.length, tokens));
    if (ids.length < 2) {
      throw new Mla4jException(file + ": has fewer than 2 tokens");
    }
    int count = Math.max(1, ids.length / window);
    int[][] windows = new int[count][];
    for (int i = 0; i < count; i++) {
      windows[i] = Arrays.copyOfRange(ids, i * window, Math.min(ids.length, (i + 1) * window));
    }
    return windows;
  }

  /** Of CPUs, the fastest first, each with its preferred instruction set. */
  private List<Backends.Choice> backends() {
    List<Backends.Choice> found =
        PrecisionBench.backends(threads).stream()
            .filter(choice -> backend == null || backend.equals(choice.backend()))
            .toList();
    if (found.isEmpty()) {
      throw usage("--backend is " + backend + ", but no such backend of a CPU is available");
    }
    return found;
  }
}
