package io.mla4j.bench.command;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.nio.file.Path;
import java.util.List;

/** {@code mla4j bench startup}: how long until the first text. */
final class StartupCommand extends Measurement {
  @Override
  public void declare(Args args) {
    args.description(
        "From starting the script to the first byte of text, next to a JVM that says hello.");
    super.declare(args);
  }

  @Override
  Report measure(Benchmark benchmark) {
    return benchmark.startup(command(this));
  }

  /** The script in the folder that it named itself when it started this. */
  static List<String> command(StreamCommand asking) {
    String home = System.getProperty("mla4j.home");
    if (home == null) {
      throw asking.usage("the script is unknown without -Dmla4j.home");
    }
    return List.of(
        Path.of(home, "scripts", "mla4j").toString(),
        "generate",
        "--prompt",
        "In the beginning",
        "--max-tokens",
        "1",
        "--temperature",
        "0");
  }
}
