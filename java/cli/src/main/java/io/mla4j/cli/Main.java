package io.mla4j.cli;

import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.IFactory;

/** The entry point: exit code 0 for fine, 1 for failed, 2 for bad usage. */
public final class Main {
  private Main() {}

  /** Runs a command and ends the process with its exit code. */
  public static void main(String[] args) {
    Streams streams = Streams.ofProcess();
    int code = run(streams, args);
    streams.out().flush();
    System.exit(code);
  }

  /** Runs a command in this process. */
  static int run(Streams streams, String... args) {
    IFactory factory = factory(streams);
    CommandLine command = new CommandLine(new Mla4jCommand(), factory);
    if (List.of(args).contains(BenchCommand.NAME)) {
      BenchCommand.addMeasurements(command, factory);
    }
    ErrorHandler errors = new ErrorHandler(streams);
    command.setOut(new PrintWriter(streams.out(), true));
    command.setErr(new PrintWriter(streams.err(), true));
    command.setCaseInsensitiveEnumValuesAllowed(true);
    command.setParameterExceptionHandler(errors);
    command.setExecutionExceptionHandler(errors);
    int code;
    try {
      code = command.execute(args);
    } catch (OutOfMemoryError | StackOverflowError | LinkageError e) {
      return errors.handleError(e, command);
    }
    return code == 0 && streams.out().checkError() ? ErrorHandler.FAILED : code;
  }

  /** Hands the streams to the commands. */
  private static IFactory factory(Streams streams) {
    IFactory usual = CommandLine.defaultFactory();
    return new IFactory() {
      @Override
      public <K> K create(Class<K> type) throws Exception {
        K object = usual.create(type);
        if (object instanceof StreamCommand command) {
          command.streams = streams;
        }
        return object;
      }
    };
  }
}
