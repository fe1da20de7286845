package io.mla4j.cli;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.bench.AttentionGrid;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Kind;
import io.mla4j.bench.Report;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mla4j bench attention}: decode and prefill. */
@Command(
    name = "attention",
    description =
        "Attention, decode and prefill: MLA, and MHA, GQA and MQA of the same model width. Options"
            + " with several values take a list: all combinations are measured, in turns.")
final class BenchAttentionCommand extends BenchMeasurement {
  private static final int MAX = 1 << 24;

  @Option(names = "--phase", split = ",", description = "decode, prefill; default: both.")
  List<AttentionGrid.Phase> phases = List.of(AttentionGrid.Phase.values());

  @Option(names = "--kind", split = ",", description = "mla, mha, gqa, mqa; default: mla.")
  List<Kind> kinds = List.of(Kind.MLA);

  @Mixin BenchKernels kernels;

  @Option(
      names = "--heads",
      split = ",",
      paramLabel = "N",
      description = "Query heads; default: 16,128.")
  List<Integer> heads = List.of(16, 128);

  @Option(
      names = "--tokens",
      split = ",",
      paramLabel = "N",
      description = "Cached tokens in decode; default: 1024,16384.")
  List<Integer> tokens = List.of(1024, 16384);

  @Option(names = "--batch", split = ",", paramLabel = "N", description = "Sequences; default: 1.")
  List<Integer> batches = List.of(1);

  @Option(
      names = "--s-q",
      split = ",",
      paramLabel = "N",
      description = "New tokens in decode; default: 1.")
  List<Integer> sQ = List.of(1);

  @Option(
      names = "--prefill",
      split = ",",
      paramLabel = "N",
      description = "New tokens in prefill; default: 2048.")
  List<Integer> prefill = List.of(2048);

  @Option(
      names = "--cached",
      split = ",",
      paramLabel = "N",
      description = "Tokens that are cached before a prefill; default: 0.")
  List<Integer> cached = List.of(0);

  @Option(
      names = "--cache-type",
      split = ",",
      paramLabel = "TYPE",
      description = "bf16, f32; default: bf16.")
  List<CacheType> cacheTypes = List.of(CacheType.BF16);

  @Option(
      names = "--form",
      split = ",",
      description =
          "Form of MLA: absorbed, decompressed, auto. Default: in decode absorbed, over queries"
              + " that are absorbed already; in prefill auto, from unabsorbed queries to head"
              + " outputs.")
  List<AttentionForm> forms = List.of();

  @Option(
      names = "--residency",
      split = ",",
      description =
          "cold: the cache is in memory; warm: where the call before left it." + " Default: cold.")
  List<AttentionGrid.Residency> residencies = List.of(AttentionGrid.Residency.COLD);

  @Option(names = "--page", paramLabel = "N", description = "Tokens of a page; default: 64.")
  int page = 64;

  @Option(
      names = "--library",
      paramLabel = "FILE",
      description = "Also time a library that exports the table of mla.h; its results are checked.")
  Path library;

  @Override
  Report measure(Benchmark benchmark) {
    return benchmark.attention(
        new AttentionGrid(
            phases,
            kinds,
            kernels.backends(benchmark),
            kernels.isas,
            options.ranges("--heads", heads, 1, 1 << 16),
            options.ranges("--tokens", tokens, 1, MAX),
            options.ranges("--batch", batches, 1, 1 << 16),
            options.ranges("--s-q", sQ, 1, MAX),
            options.ranges("--prefill", prefill, 1, MAX),
            options.ranges("--cached", cached, 0, MAX),
            options.threads(),
            kernels.computes,
            cacheTypes,
            forms,
            residencies,
            List.of(options.range("--page", page, 1, 1 << 20)),
            library));
  }
}
