package io.mla4j.cli;

import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.checkpoint.FileType;
import io.mla4j.ops.StorageFormat;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine;

/** The entry point: exit code 0 for fine, 1 for failed, 2 for bad usage. */
public final class Main {
  /** The commands of this jar by name, in the order of the help. */
  private static final Map<String, Supplier<StreamCommand>> COMMANDS = new LinkedHashMap<>();

  static {
    COMMANDS.put("generate", GenerateCommand::new);
    COMMANDS.put("chat", ChatCommand::new);
    COMMANDS.put("serve", ServeCommand::new);
    COMMANDS.put("perplexity", PerplexityCommand::new);
    COMMANDS.put("logits", LogitsCommand::new);
    COMMANDS.put("model", ModelCommand::new);
    COMMANDS.put("info", InfoCommand::new);
    COMMANDS.put("memory", MemoryCommand::new);
    COMMANDS.put("quantize", QuantizeCommand::new);
  }

  private static final Set<String> RUNS_A_MODEL =
      Set.of("generate", "chat", "serve", "perplexity", "logits");

  private Main() {}

  /** Runs a command and ends the process with its exit code. */
  public static void main(String[] args) {
    Streams streams = Streams.ofProcess();
    int code = run(streams, args);
    streams.out().flush();
    System.exit(code);
  }

  /** Runs a command in this process and returns its exit code. */
  public static int run(Streams streams, String... args) {
    if (args.length > 0 && RUNS_A_MODEL.contains(args[0])) {
      // To link a backend takes longer than to read the options: it goes on beside them.
      Thread.ofPlatform().daemon().name("mla4j-backends").start(Backends::prepare);
    }
    ErrorHandler errors = new ErrorHandler(streams);
    CommandLine command = parser(streams, args);
    command.setParameterExceptionHandler(errors);
    command.setExecutionExceptionHandler(errors);
    int code;
    try {
      code = command.execute(args);
    } catch (OutOfMemoryError | StackOverflowError | LinkageError e) {
      return errors.handleError(e, command);
    }
    return code == 0 && streams.out().checkError() ? errors.handleClosedOutput() : code;
  }

  /** What reads the arguments of the command that they begin with, or of any. */
  public static CommandLine parser(Streams streams, String... args) {
    Mla4jCommand root = new Mla4jCommand();
    addCommands(root.args(), streams, args);
    CommandLine command = root.args().parser();
    command.registerConverter(IdList.class, new IdList.Converter());
    command.registerConverter(CacheType.class, CacheType::of);
    command.registerConverter(FileType.class, FileType::named);
    command.registerConverter(StorageFormat.class, StorageFormat::weight);
    command.setOut(new PrintWriter(streams.out(), true));
    command.setErr(new PrintWriter(streams.err(), true));
    command.setCaseInsensitiveEnumValuesAllowed(true);
    // A value that begins with @ is a text like any other, not a file of arguments.
    command.setExpandAtFiles(false);
    return command;
  }

  /** Adds the command that the arguments begin with, or all of them and those of other jars. */
  private static void addCommands(Args root, Streams streams, String[] args) {
    String first = args.length == 0 ? null : args[0];
    if (COMMANDS.containsKey(first)) {
      root.command(first, COMMANDS.get(first).get(), streams);
      return;
    }
    COMMANDS.forEach((name, command) -> root.command(name, command.get(), streams));
    for (CommandProvider other : ServiceLoader.load(CommandProvider.class)) {
      root.command(other.name(), other.create(), streams);
    }
  }
}
