package io.mla4j.bench.command;

import io.mla4j.bench.AttentionGrid;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.LinearGrid;
import io.mla4j.bench.LinearGrid.MixtureSize;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;
import io.mla4j.ops.StorageFormat;
import java.util.List;

/** {@code mla4j bench linear}: matrix products. */
final class LinearCommand extends Measurement {
  private static final int MAX = 1 << 24;

  private final LinearGrid grid = new LinearGrid();
  private final KernelOptions kernels = KernelOptions.ofProcessor(grid);
  private List<String> sizes = List.of();
  private int mixtureTokens = MixtureSize.V2_LITE.tokens();
  private int experts = MixtureSize.V2_LITE.experts();
  private int topK = MixtureSize.V2_LITE.topK();
  private String expertSize = "2048x1408";

  @Override
  public void declare(Args args) {
    args.description("Linear layers: gemm (many rows), gemv (one row), grouped (experts).");
    super.declare(args);
    kernels.declare(args);
    args.list(
        "--benchmark NAME",
        LinearGrid.Benchmark.class,
        v -> grid.benchmarks = v,
        "gemm, gemv, grouped; default: all of them.");
    args.list(
        "--size KxN",
        String.class,
        v -> sizes = v,
        "A weight of N rows of K numbers; default: 2048x2048,2048x10944,10944x2048.");
    args.list("--rows N", Integer.class, v -> grid.rows = v, "Rows of gemm; default: 512.");
    args.list(
        "--weight-type TYPE",
        StorageFormat.class,
        v -> grid.weightTypes = v,
        "bf16, f16, f32, f8_e4m3 in blocks of 128 x 128, q8_0, q4_k and the other types of blocks;"
            + " default: bf16.");
    args.list(
        "--residency RESIDENCY",
        AttentionGrid.Residency.class,
        v -> grid.residencies = v,
        "cold: weights are in memory; warm: where the call before left them." + " Default: cold.");
    args.one(
        "--mixture-tokens N", int.class, v -> mixtureTokens = v, "Rows of grouped; default: 512.");
    args.one("--experts N", int.class, v -> experts = v, "Experts of grouped; default: 64.");
    args.one(
        "--top-k N",
        int.class,
        v -> topK = v,
        "Experts that a row of grouped chooses; default: 6.");
    args.one(
        "--expert-size KxN",
        String.class,
        v -> expertSize = v,
        "Hidden and inner width of an expert; default: 2048x1408.");
  }

  @Override
  Report measure(Benchmark benchmark) {
    kernels.check(this);
    for (StorageFormat type : grid.weightTypes) {
      if (!LinearGrid.canStore(type)) {
        throw usage(
            "--weight-type is "
                + type
                + ", but must be bf16, f16, f32, f8_e4m3 or a type of blocks with binary16 scales");
      }
    }
    if (!sizes.isEmpty()) {
      grid.sizes =
          sizes.stream().map(size -> read("--size", size, LinearGrid.Size::parse)).toList();
    }
    options.ranges("--rows", grid.rows, 1, MAX);
    LinearGrid.Size expert = read("--expert-size", expertSize, LinearGrid.Size::parse);
    grid.mixture =
        new MixtureSize(
            options.range("--mixture-tokens", mixtureTokens, 1, MAX),
            options.range("--experts", experts, 1, 4096),
            options.range("--top-k", topK, 1, experts),
            expert.k(),
            expert.n());
    kernels.complete(benchmark, options.threads());
    return benchmark.linear(grid);
  }
}
