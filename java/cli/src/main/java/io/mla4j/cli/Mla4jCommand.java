package io.mla4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.ParameterException;

/** {@code mla4j}; {@link Main} adds the commands. */
final class Mla4jCommand implements Runnable {
  boolean stacktrace;

  private final Args args = Args.of("mla4j", this);

  Mla4jCommand() {
    args.description("Multi-head Latent Attention on the JVM.");
    args.spec().usageMessage().synopsisSubcommandLabel("COMMAND");
    args.standardOptions();
    args.inheritedFlag(
        "--stacktrace", v -> stacktrace = v, "Show where in the program an error came from.");
  }

  /** Its arguments, to add commands to. */
  Args args() {
    return args;
  }

  @Override
  public void run() {
    throw new ParameterException(args.spec().commandLine(), "a command is missing");
  }

  /** The version that the build wrote into the jar. */
  static final class Version implements IVersionProvider {
    static String text() {
      try (InputStream in = Mla4jCommand.class.getResourceAsStream("version.txt")) {
        return new String(in.readAllBytes(), StandardCharsets.UTF_8).strip();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public String[] getVersion() {
      return new String[] {"mla4j " + text()};
    }
  }
}
