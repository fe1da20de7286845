package io.mla4j.bench.command;

import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.nio.file.Files;
import java.nio.file.Path;

/** A command in which a model reads a text: which of both, and on what. */
abstract class ReadingCommand extends StreamCommand {
  static final int MAX_TOKENS = 1 << 20;

  /** By name; null for the usual. */
  String backend;

  /** 0 for the physical cores. */
  int threads;

  private Path model;
  private Path text;

  /**
   * Adds the options that say so.
   *
   * @param backends what {@code --backend} says
   */
  final void declareReading(Args args, String backends) {
    args.one(
        "--model DIR", Path.class, v -> model = v, "The model; default: the one that comes along.");
    args.one(
        "--text FILE", Path.class, v -> text = v, "UTF-8; default: heldout.txt beside the model.");
    args.one("--backend NAME", String.class, v -> backend = v, backends);
    args.one("--threads N", int.class, v -> threads = v, "Default: the physical cores.");
  }

  /** The model's folder, or its file. */
  final Path directory() {
    String home = System.getProperty("mla4j.home");
    if (model == null && home == null) {
      throw usage("--model is missing (there is no default without -Dmla4j.home)");
    }
    return model != null ? model : Path.of(home, "models", "tiny-mla");
  }

  /** The file of the text. */
  final Path text() {
    String beside = "heldout.txt";
    Path directory = directory();
    return text != null
        ? text
        : Files.isDirectory(directory)
            ? directory.resolve(beside)
            : directory.resolveSibling(beside);
  }

  /** Refuses a value that is not in {@code least..MAX_TOKENS}. */
  final void range(String option, int value, int least) {
    if (value < least || value > MAX_TOKENS) {
      throw usage(option + " is " + value + ", but must be in " + least + ".." + MAX_TOKENS);
    }
  }
}
