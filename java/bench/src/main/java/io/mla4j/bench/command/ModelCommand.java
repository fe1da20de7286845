package io.mla4j.bench.command;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.ModelGrid;
import io.mla4j.bench.Preset;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;
import io.mla4j.model.DecoderOptions;
import java.nio.file.Path;
import java.util.List;

/** {@code mla4j bench model}: a prompt, and generation behind contexts. */
final class ModelCommand extends Measurement {
  private static final int MAX = 1 << 20;

  private final Source source = new Source();

  /** Which model. */
  static final class Source {
    String preset;

    Path model;
  }

  List<Integer> prompts = List.of(512);
  List<Integer> generated = List.of(64);
  List<Integer> contexts = List.of(0, 4096, 16384);
  private final KernelOptions kernels = new KernelOptions("native", "vector", "scalar");
  List<CacheType> cacheTypes = List.of();
  List<AttentionForm> forms = List.of(AttentionForm.AUTO);
  List<Integer> pages = List.of(DecoderOptions.DEFAULT_PAGE_SIZE);

  @Override
  public void declare(Args args) {
    args.description(
        "A whole model: tokens per second of a prompt, and of generation behind contexts.");
    super.declare(args);
    kernels.declare(args);
    args.oneOf(
        group -> {
          group.one(
              "--preset",
              "NAME",
              String.class,
              v -> source.preset = v,
              "Random weights, written to a temporary folder: dense-461m, v2-lite-3l.");
          group.one(
              "--model",
              "DIR",
              Path.class,
              v -> source.model = v,
              "Folder with config.json and safetensors.");
        });
    args.list(
        "--prompt", "N", Integer.class, v -> prompts = v, "Tokens of the prompt; default: 512.");
    args.list(
        "--generate",
        "N",
        Integer.class,
        v -> generated = v,
        "Tokens of a generation; default: 64.");
    args.list(
        "--context",
        "N",
        Integer.class,
        v -> contexts = v,
        "Cached tokens before a generation; default: 0,4096,16384.");
    args.list(
        "--cache-type",
        "TYPE",
        CacheType.class,
        v -> cacheTypes = v,
        "bf16, f32; default: as --compute.");
    args.list(
        "--form",
        "FORM",
        AttentionForm.class,
        v -> forms = v,
        "Form of attention: auto, absorbed, decompressed; default: auto.");
    args.list(
        "--page",
        "N",
        Integer.class,
        v -> pages = v,
        "Tokens of a page of the cache; default: 64.");
  }

  @Override
  Report measure(Benchmark benchmark) {
    kernels.check(this);
    return benchmark.model(
        new ModelGrid(
            source.preset == null ? null : read("--preset", source.preset, Preset::of),
            source.model,
            options.ranges("--prompt", prompts, 1, MAX),
            options.ranges("--generate", generated, 1, MAX),
            options.ranges("--context", contexts, 0, MAX),
            kernels.backends(benchmark),
            kernels.isas(),
            options.threads(),
            kernels.computes,
            cacheTypes,
            forms,
            options.ranges("--page", pages, 1, MAX)));
  }
}
