package io.mla4j.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/**
 * {@code mla4j bench}: names the measurements. They are added only where the command line asks for
 * them: the others start without loading them.
 */
@Command(
    name = "bench",
    description = "Measure kernels and models next to what this machine can do at best.",
    synopsisSubcommandLabel = "COMMAND")
final class BenchCommand extends StreamCommand {
  static final String NAME = "bench";

  /** Makes the measurements known to {@code root}. */
  static void addMeasurements(CommandLine root) {
    CommandLine bench = root.getSubcommands().get(NAME);
    bench.addSubcommand(new BenchPeakCommand());
    bench.addSubcommand(new BenchAttentionCommand());
    bench.addSubcommand(new BenchLinearCommand());
    bench.addSubcommand(new BenchModelCommand());
    bench.addSubcommand(new BenchMakeModelCommand());
    bench.addSubcommand(new BenchStartupCommand());
    bench.addSubcommand(new BenchCompareCommand());
    StreamCommand self = bench.getCommand();
    for (CommandLine measurement : bench.getSubcommands().values()) {
      ((StreamCommand) measurement.getCommand()).streams = self.streams;
      measurement.setCaseInsensitiveEnumValuesAllowed(true);
    }
  }

  @Override
  void execute() {
    throw usage("a measurement is missing");
  }
}
