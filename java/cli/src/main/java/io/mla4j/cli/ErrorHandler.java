package io.mla4j.cli;

import io.mla4j.Mla4jException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Errors as one line on stderr: exit code 2 for bad usage, 1 for everything else. */
final class ErrorHandler implements IParameterExceptionHandler, IExecutionExceptionHandler {
  static final int FAILED = 1;
  static final int USAGE = 2;

  private final Streams streams;

  ErrorHandler(Streams streams) {
    this.streams = streams;
  }

  @Override
  public int handleParseException(ParameterException e, String[] args) {
    String command = e.getCommandLine().getCommandSpec().qualifiedName();
    String message = e.getMessage().replaceFirst("^Error: ", "");
    print(e, message + " (see " + command + " --help)", wantsTrace(e.getCommandLine()));
    return USAGE;
  }

  @Override
  public int handleExecutionException(Exception e, CommandLine command, ParseResult parsed) {
    if (e instanceof ClosedOutputException) {
      return handleClosedOutput();
    }
    print(e, message(e), wantsTrace(command));
    return FAILED;
  }

  /** Results could not be written. */
  int handleClosedOutput() {
    String reason = Results.failure(streams.out());
    if (reason != null) {
      streams.err().println("mla4j: stdout cannot be written: " + reason);
    }
    return FAILED;
  }

  /** What picocli lets through: the process has no memory, or a class or library is missing. */
  int handleError(Error e, CommandLine command) {
    String message = e instanceof OutOfMemoryError ? "out of memory: " + e.getMessage() : "" + e;
    print(e, message, wantsTrace(command));
    return FAILED;
  }

  private static boolean wantsTrace(CommandLine command) {
    CommandLine root = command;
    while (root.getParent() != null) {
      root = root.getParent();
    }
    return ((Mla4jCommand) root.getCommandSpec().userObject()).stacktrace;
  }

  private static String message(Exception e) {
    return switch (e) {
      case Mla4jException _ -> e.getMessage();
      case NoSuchFileException _ -> e.getMessage() + ": does not exist";
      case AccessDeniedException _ -> e.getMessage() + ": may not be read";
      case IOException _ -> e.getMessage();
      default -> "internal error, --stacktrace shows where: " + e;
    };
  }

  private void print(Throwable e, String message, boolean trace) {
    streams.out().flush();
    streams.err().println("mla4j: " + message.strip().replaceAll("\\s*[\\r\\n]+\\s*", " "));
    if (trace) {
      e.printStackTrace(streams.err());
    }
  }
}
