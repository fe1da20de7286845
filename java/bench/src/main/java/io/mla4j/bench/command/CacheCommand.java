package io.mla4j.bench.command;

import io.mla4j.bench.CacheFigures;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** {@code mla4j bench cache}: what forks, files and shared prefixes of a latent cache take. */
final class CacheCommand extends StreamCommand {
  private Path folder;
  private Path model;
  private int threads;

  @Override
  public void declare(Args args) {
    args.description(
        "A fork of 100,001 tokens in 27 layers; with --folder, saving and loading 16384 tokens"
            + " next to plain writes and reads; with --model, the first token of a prompt whose"
            + " start is shared, and that of a saved one.");
    args.one("--folder DIR", Path.class, v -> folder = v, "Where two files of 510 MB are written.");
    args.one("--model DIR", Path.class, v -> model = v, "A model with 2048 tokens of context.");
    args.one("--threads N", int.class, v -> threads = v, "Default: the physical cores.");
  }

  @Override
  public void execute() throws IOException {
    if (threads < 0 || threads > 1024) {
      throw usage("--threads is " + threads + ", but must be in 0..1024");
    }
    if (folder != null && !Files.isDirectory(folder)) {
      throw usage("--folder " + folder + " is no folder");
    }
    CacheFigures figures = new CacheFigures(threads, out()::println);
    figures.fork();
    if (folder != null) {
      figures.files(folder);
    }
    if (model != null) {
      figures.sharing(model);
    }
  }
}
