package io.mla4j.cli;

import io.mla4j.Mla4jException;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** A command with its streams and its way to refuse arguments. */
abstract class StreamCommand implements Callable<Integer> {
  Streams streams;

  CommandSpec spec;

  /** Tells which arguments the command has, and where they go. */
  abstract void declare(Args args);

  /** Runs the command. */
  abstract void execute() throws Exception;

  @Override
  public final Integer call() throws Exception {
    execute();
    return 0;
  }

  /** What {@code read} makes of the value of an option; what it refuses is bad usage. */
  <T> T read(String option, String value, Function<String, T> read) {
    try {
      return read.apply(value);
    } catch (Mla4jException e) {
      throw usage(option + ": " + e.getMessage());
    }
  }

  /** Bad usage: exit code 2. */
  ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }
}
