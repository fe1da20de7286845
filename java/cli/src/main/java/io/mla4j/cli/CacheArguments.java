package io.mla4j.cli;

import io.mla4j.checkpoint.CacheFile;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.text.Model;
import io.mla4j.text.Session;
import java.nio.file.Files;
import java.nio.file.Path;

/** The options by which cached rows outlive a command. */
final class CacheArguments {
  private final StreamCommand command;
  private Path load;
  private Path save;

  CacheArguments(StreamCommand command) {
    this.command = command;
  }

  /** Adds the options to a command. */
  void declare(Args args) {
    args.one(
        "--load-cache FILE",
        Path.class,
        v -> load = v,
        "Begin with a text that --save-cache wrote: nothing of it is computed again.");
    args.one(
        "--save-cache FILE",
        Path.class,
        v -> save = v,
        "Write the text and what is cached of it to a safetensors file in the end.");
  }

  /** The file to begin with, or null. */
  Path load() {
    return load;
  }

  /** Before anything is computed. */
  void check() {
    if (load != null && !Files.isRegularFile(load)) {
      throw command.usage("--load-cache is " + load + ", which is no file");
    }
    if (save != null) {
      OutputFile.check(save);
    }
  }

  /** A session with room for {@code more} tokens behind what was loaded. */
  Session session(Model model, int more) {
    int context = model.description().context();
    if (load == null) {
      return model.session(Math.min(context, Math.max(1, more)));
    }
    return model.load(load, (int) Math.min(context, CacheFile.tokens(load) + (long) more));
  }

  /** Writes the session, where that was asked for. */
  void save(Session session) {
    if (save != null) {
      session.save(save);
    }
  }

  /** The file to write, or null. */
  Path save() {
    return save;
  }
}
