package io.mla4j.cli;

import io.mla4j.TensorType;
import io.mla4j.bench.AttentionGrid;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.LinearGrid;
import io.mla4j.bench.LinearGrid.MixtureSize;
import io.mla4j.bench.Report;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mla4j bench linear}: matrix products. */
@Command(
    name = "linear",
    description = "Linear layers: gemm (many rows), gemv (one row), grouped (experts).")
final class BenchLinearCommand extends BenchMeasurement {
  private static final int MAX = 1 << 24;

  @Option(
      names = "--benchmark",
      split = ",",
      description = "gemm, gemv, grouped; default: all of them.")
  List<LinearGrid.Benchmark> benchmarks = List.of(LinearGrid.Benchmark.values());

  @Option(
      names = "--size",
      split = ",",
      paramLabel = "KxN",
      description = "A weight of N rows of K numbers; default: 2048x2048,2048x10944,10944x2048.")
  List<String> sizes = List.of("2048x2048", "2048x10944", "10944x2048");

  @Option(
      names = "--rows",
      split = ",",
      paramLabel = "N",
      description = "Rows of gemm; default: 512.")
  List<Integer> rows = List.of(512);

  @Mixin BenchKernels kernels;

  @Option(
      names = "--weight-type",
      split = ",",
      paramLabel = "TYPE",
      description = "bf16, f16, f32; default: bf16.")
  List<TensorType> weightTypes = List.of(TensorType.BF16);

  @Option(
      names = "--residency",
      split = ",",
      description =
          "cold: weights are in memory; warm: where the call before left them." + " Default: cold.")
  List<AttentionGrid.Residency> residencies = List.of(AttentionGrid.Residency.COLD);

  @Option(
      names = "--mixture-tokens",
      paramLabel = "N",
      description = "Rows of grouped; default: 512.")
  int mixtureTokens = MixtureSize.V2_LITE.tokens();

  @Option(names = "--experts", paramLabel = "N", description = "Experts of grouped; default: 64.")
  int experts = MixtureSize.V2_LITE.experts();

  @Option(
      names = "--top-k",
      paramLabel = "N",
      description = "Experts that a row of grouped chooses; default: 6.")
  int topK = MixtureSize.V2_LITE.topK();

  @Option(
      names = "--expert-size",
      paramLabel = "KxN",
      description = "Hidden and inner width of an expert; default: 2048x1408.")
  String expertSize = "2048x1408";

  @Override
  Report measure(Benchmark benchmark) {
    for (TensorType type : weightTypes) {
      if (type != TensorType.BF16 && type != TensorType.F16 && type != TensorType.F32) {
        throw usage("--weight-type is " + type + ", but must be bf16, f16 or f32");
      }
    }
    LinearGrid.Size expert = LinearGrid.Size.parse(expertSize);
    return benchmark.linear(
        new LinearGrid(
            benchmarks,
            sizes.stream().map(LinearGrid.Size::parse).toList(),
            options.ranges("--rows", rows, 1, MAX),
            kernels.backends(benchmark),
            kernels.isas,
            options.threads(),
            kernels.computes,
            weightTypes,
            residencies,
            new MixtureSize(
                options.range("--mixture-tokens", mixtureTokens, 1, MAX),
                options.range("--experts", experts, 1, 4096),
                options.range("--top-k", topK, 1, experts),
                expert.k(),
                expert.n())));
  }
}
