package io.mla4j.cli;

import io.mla4j.Mla4jException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** A command with its streams and its way to refuse arguments. */
public abstract class StreamCommand implements Callable<Integer> {
  Streams streams;

  CommandSpec spec;

  /** Tells which arguments the command has, and where they go. */
  public abstract void declare(Args args);

  /** Runs the command. */
  public abstract void execute() throws Exception;

  @Override
  public final Integer call() throws Exception {
    execute();
    return 0;
  }

  /** Adds a command of this one, with the same streams. */
  protected final void command(Args args, String name, StreamCommand command) {
    args.command(name, command, streams);
  }

  /** What a command reads. */
  protected final InputStream in() {
    return streams.in();
  }

  /** Where results go. */
  protected final PrintStream out() {
    return streams.out();
  }

  /** What a file of UTF-8 has. */
  protected static String text(Path file) throws IOException {
    return TextFiles.read(file);
  }

  /** All results are out: what is said of them on stderr comes after this. */
  final void endResults() {
    if (streams.out().checkError()) {
      throw new ClosedOutputException();
    }
  }

  /** Where everything else goes. */
  protected final PrintStream err() {
    return streams.err();
  }

  /** Whether a person watches {@link #err}. */
  protected final boolean interactive() {
    return streams.interactive();
  }

  /** What {@code read} makes of the value of an option; what it refuses is bad usage. */
  public final <T> T read(String option, String value, Function<String, T> read) {
    try {
      return read.apply(value);
    } catch (Mla4jException e) {
      throw usage(option + ": " + e.getMessage());
    }
  }

  /** Bad usage: exit code 2. */
  public final ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }
}
