package io.mla4j.cli;

import io.mla4j.Backends;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.IFactory;

/** The entry point: exit code 0 for fine, 1 for failed, 2 for bad usage. */
public final class Main {
  /** The commands by name, in the order of the help. */
  private static final Map<String, Class<? extends StreamCommand>> COMMANDS = new LinkedHashMap<>();

  static {
    COMMANDS.put("generate", GenerateCommand.class);
    COMMANDS.put("perplexity", PerplexityCommand.class);
    COMMANDS.put("logits", LogitsCommand.class);
    COMMANDS.put("info", InfoCommand.class);
    COMMANDS.put("memory", MemoryCommand.class);
    COMMANDS.put("bench", BenchCommand.class);
  }

  private static final Set<String> RUNS_A_MODEL = Set.of("generate", "perplexity", "logits");

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
    if (args.length > 0 && RUNS_A_MODEL.contains(args[0])) {
      // To link a backend takes longer than to read the options: it goes on beside them.
      Thread.ofPlatform().daemon().name("mla4j-backends").start(Backends::list);
    }
    CommandLine command = new CommandLine(new Mla4jCommand(), factory);
    addCommands(command, factory, args);
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

  /**
   * Adds the command that the arguments begin with, or all of them: to read what options one has
   * takes as long as to start a JVM.
   */
  private static void addCommands(CommandLine root, IFactory factory, String[] args) {
    Class<? extends StreamCommand> named = args.length == 0 ? null : COMMANDS.get(args[0]);
    for (Class<? extends StreamCommand> type : named == null ? COMMANDS.values() : List.of(named)) {
      root.addSubcommand(new CommandLine(type, factory));
    }
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
