package io.mla4j.cli;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Preset;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code mla4j bench make-model}: random weights for others to load. */
@Command(
    name = "make-model",
    description = "Write a model of random bf16 weights as a Hugging Face directory.")
final class BenchMakeModelCommand extends StreamCommand {
  @Option(
      names = "--preset",
      required = true,
      paramLabel = "NAME",
      description = "dense-461m or v2-lite-3l.")
  String preset;

  @Option(names = "--out", required = true, paramLabel = "DIR", description = "The new folder.")
  Path out;

  @Override
  void execute() {
    Benchmark.makeModel(Preset.of(preset), out);
    streams.out().println(out);
  }
}
