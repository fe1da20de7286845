package io.mla4j.bench.command;

import io.mla4j.bench.Comparison;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.nio.file.Path;

/** {@code mla4j bench compare}: what changed between two reports. */
final class CompareCommand extends StreamCommand {
  Path before;

  Path after;

  @Override
  public void declare(Args args) {
    args.description(
        "List what changed between two files of --json beyond the noise: medians further apart than"
            + " three sigmas of both, and by more than 2 percent.");
    args.positional(0, "A.json", Path.class, v -> before = v, "The report before.");
    args.positional(1, "B.json", Path.class, v -> after = v, "The report after.");
  }

  @Override
  public void execute() {
    Comparison comparison = Comparison.of(before, after);
    comparison.changed().forEach(out()::println);
    comparison.unknown().forEach(out()::println);
    comparison.onlyInOne().forEach(out()::println);
    out()
        .println(
            comparison.changed().size()
                + " rows changed, "
                + comparison.unchanged()
                + " did not, "
                + comparison.unknown().size()
                + " may have, "
                + comparison.onlyInOne().size()
                + " are only in one of the files");
  }
}
