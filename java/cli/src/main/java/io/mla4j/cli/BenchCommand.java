package io.mla4j.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IFactory;

/**
 * The name of {@code mla4j bench} for the list of commands. {@link BenchAllCommand} takes its place
 * where the command line asks for it: the others start without loading it.
 */
@Command(name = BenchCommand.NAME, description = BenchCommand.DESCRIPTION)
final class BenchCommand extends StreamCommand {
  static final String NAME = "bench";
  static final String DESCRIPTION =
      "Measure kernels and models next to what this machine can do at best.";

  /** Puts the measurements into {@code root}. */
  static void addMeasurements(CommandLine root, IFactory factory) {
    root.getCommandSpec().removeSubcommand(NAME);
    root.addSubcommand(new CommandLine(BenchAllCommand.class, factory));
  }

  @Override
  void execute() {
    throw usage("the measurements are missing");
  }
}
