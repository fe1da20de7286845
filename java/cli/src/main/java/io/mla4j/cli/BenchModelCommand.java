package io.mla4j.cli;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.ModelGrid;
import io.mla4j.bench.Preset;
import io.mla4j.bench.Report;
import io.mla4j.model.DecoderOptions;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mla4j bench model}: a prompt, and generation behind contexts. */
@Command(
    name = "model",
    description =
        "A whole model: tokens per second of a prompt, and of generation behind contexts.")
final class BenchModelCommand extends BenchMeasurement {
  private static final int MAX = 1 << 20;

  @ArgGroup(multiplicity = "1")
  Source source;

  /** Which model. */
  static final class Source {
    @Option(
        names = "--preset",
        paramLabel = "NAME",
        description = "Random weights, written to a temporary folder: dense-461m, v2-lite-3l.")
    String preset;

    @Option(
        names = "--model",
        paramLabel = "DIR",
        description = "Folder with config.json and safetensors.")
    Path model;
  }

  @Option(names = "--prompt", paramLabel = "N", description = "Tokens of the prompt; default: 512.")
  int prompt = 512;

  @Option(
      names = "--generate",
      paramLabel = "N",
      description = "Tokens of a generation; default: 64.")
  int generated = 64;

  @Option(
      names = "--context",
      split = ",",
      paramLabel = "N",
      description = "Cached tokens before a generation; default: 0,4096,16384.")
  List<Integer> contexts = List.of(0, 4096, 16384);

  @Mixin BenchKernels kernels;

  @Option(
      names = "--cache-type",
      split = ",",
      paramLabel = "TYPE",
      description = "bf16, f32; default: as --compute.")
  List<CacheType> cacheTypes = List.of();

  @Option(
      names = "--form",
      description = "Form of attention: auto, absorbed or decompressed; default: auto.")
  AttentionForm form = AttentionForm.AUTO;

  @Override
  Report measure(Benchmark benchmark) {
    return benchmark.model(
        new ModelGrid(
            source.preset == null ? null : Preset.of(source.preset),
            source.model,
            List.of(options.range("--prompt", prompt, 1, MAX)),
            List.of(options.range("--generate", generated, 1, MAX)),
            options.ranges("--context", contexts, 0, MAX),
            kernels.backends(benchmark),
            kernels.isas,
            options.threads(),
            kernels.computes,
            cacheTypes,
            List.of(form),
            List.of(DecoderOptions.DEFAULT_PAGE_SIZE)));
  }
}
