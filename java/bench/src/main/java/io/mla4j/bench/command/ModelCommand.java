package io.mla4j.bench.command;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.ModelGrid;
import io.mla4j.bench.Preset;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;
import java.nio.file.Path;

/** {@code mla4j bench model}: a prompt, and generation behind contexts. */
final class ModelCommand extends Measurement {
  private static final int MAX = 1 << 20;

  private final ModelGrid grid = new ModelGrid();
  private final KernelOptions kernels = KernelOptions.ofProcessor(grid);
  private String preset;

  @Override
  public void declare(Args args) {
    args.description(
        "A whole model: tokens per second of a prompt, and of generation behind contexts.");
    super.declare(args);
    kernels.declare(args);
    args.oneOf(
        group -> {
          group.one(
              "--preset NAME",
              String.class,
              v -> preset = v,
              "Random weights, written to a temporary folder: dense-461m, v2-lite-3l.");
          group.one(
              "--model DIR",
              Path.class,
              v -> grid.directory = v,
              "Folder with config.json and safetensors.");
        });
    args.list(
        "--prompt N", Integer.class, v -> grid.prompts = v, "Tokens of the prompt; default: 512.");
    args.list(
        "--generate N",
        Integer.class,
        v -> grid.generated = v,
        "Tokens of a generation; default: 64.");
    args.list(
        "--context N",
        Integer.class,
        v -> grid.contexts = v,
        "Cached tokens before a generation; default: 0,4096,16384.");
    args.list(
        "--cache-type TYPE",
        CacheType.class,
        v -> grid.cacheTypes = v,
        CacheType.names() + "; default: as --compute.");
    args.list(
        "--form FORM",
        AttentionForm.class,
        v -> grid.forms = v,
        "Form of attention: auto, absorbed, decompressed; default: auto.");
    args.list(
        "--page N",
        Integer.class,
        v -> grid.pages = v,
        "Tokens of a page of the cache; default: 64.");
  }

  @Override
  Report measure(Benchmark benchmark) {
    kernels.check(this);
    grid.preset = preset == null ? null : read("--preset", preset, Preset::of);
    options.ranges("--prompt", grid.prompts, 1, MAX);
    options.ranges("--generate", grid.generated, 1, MAX);
    options.ranges("--context", grid.contexts, 0, MAX);
    options.ranges("--page", grid.pages, 1, MAX);
    kernels.complete(benchmark, options.threads());
    return benchmark.model(grid);
  }
}
