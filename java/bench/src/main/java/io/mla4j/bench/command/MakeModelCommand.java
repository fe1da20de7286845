package io.mla4j.bench.command;

import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Preset;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.nio.file.Path;

/** {@code mla4j bench make-model}: random weights for others to load. */
final class MakeModelCommand extends StreamCommand {
  String preset;
  Path out;
  Integer layers;

  @Override
  public void declare(Args args) {
    args.description("Write a model of random bf16 weights as a Hugging Face directory.");
    args.required("--preset NAME", String.class, v -> preset = v, "dense-461m or v2-lite-3l.");
    args.one(
        "--layers N", Integer.class, v -> layers = v, "Other than the preset's number of layers.");
    args.required("--out DIR", Path.class, v -> out = v, "The new folder.");
  }

  @Override
  public void execute() {
    if (layers != null && (layers < 1 || layers > 1000)) {
      throw usage("--layers is " + layers + ", but must be in 1..1000");
    }
    Benchmark.makeModel(read("--preset", preset, Preset::of), layers, out);
    out().println(out);
  }
}
