package io.mla4j.cli;

import io.mla4j.bench.Comparison;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code mla4j bench compare}: what changed between two reports. */
@Command(
    name = "compare",
    description =
        "List what changed between two files of --json beyond the noise: medians further apart than"
            + " three sigmas of both, and by more than 2 percent.")
final class BenchCompareCommand extends StreamCommand {
  @Parameters(index = "0", paramLabel = "A.json", description = "The report before.")
  Path before;

  @Parameters(index = "1", paramLabel = "B.json", description = "The report after.")
  Path after;

  @Override
  void execute() {
    Comparison comparison = Comparison.of(before, after);
    comparison.changed().forEach(streams.out()::println);
    comparison.onlyInOne().forEach(streams.out()::println);
    streams
        .out()
        .println(
            comparison.changed().size()
                + " rows changed, "
                + comparison.unchanged()
                + " did not, "
                + comparison.onlyInOne().size()
                + " are only in one of the files");
  }
}
