package io.mla4j.bench;

import io.mla4j.bench.AttentionGrid.Phase;
import java.util.Collections;
import java.util.List;

/** All measurements one after the other: what the documents show, or a look at everything. */
public enum Suite {
  /** In two minutes. */
  QUICK(
      List.of(16, 128),
      List.of(1024, 8192),
      List.of(512),
      List.of(new LinearGrid.Size(2048, 10944)),
      new LinearGrid.MixtureSize(128, 16, 6, 2048, 1408),
      List.of(0, 4096),
      16),
  /** Every point of the goals. */
  FULL(
      List.of(8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128),
      List.of(1024, 2048, 4096, 8192, 16384, 32768, 65536),
      List.of(2048),
      List.of(
          new LinearGrid.Size(2048, 2048),
          new LinearGrid.Size(2048, 10944),
          new LinearGrid.Size(10944, 2048)),
      LinearGrid.MixtureSize.V2_LITE,
      List.of(0, 4096, 16384),
      64);

  private final List<Integer> heads;
  private final List<Integer> tokens;
  private final List<Integer> prefill;
  private final List<LinearGrid.Size> sizes;
  private final LinearGrid.MixtureSize mixture;
  private final List<Integer> contexts;
  private final int generated;

  Suite(
      List<Integer> heads,
      List<Integer> tokens,
      List<Integer> prefill,
      List<LinearGrid.Size> sizes,
      LinearGrid.MixtureSize mixture,
      List<Integer> contexts,
      int generated) {
    this.heads = heads;
    this.tokens = tokens;
    this.prefill = prefill;
    this.sizes = sizes;
    this.mixture = mixture;
    this.contexts = contexts;
    this.generated = generated;
  }

  /**
   * Runs it; a run that is stopped gives what it has.
   *
   * @param backends those of the processor that work here, the fastest first
   * @param start starts text generation
   */
  public Report run(
      Benchmark benchmark, List<String> backends, List<Integer> threads, List<String> start) {
    List<Integer> most = List.of(Collections.max(threads));
    List<String> fastest = List.of(backends.getFirst());
    benchmark.peak(threads);
    benchmark.attention(grid(Phase.DECODE, backends, heads, threads));
    // The same model widths with other attention.
    AttentionGrid others = grid(Phase.DECODE, fastest, List.of(16, 128), most);
    others.kinds = List.of(Kind.MHA, Kind.GQA, Kind.MQA);
    benchmark.attention(others);
    benchmark.attention(grid(Phase.PREFILL, backends, List.of(16, 128), most));
    LinearGrid linear = new LinearGrid();
    linear.backends = backends;
    linear.threads = most;
    linear.sizes = sizes;
    linear.mixture = mixture;
    benchmark.linear(linear);
    ModelGrid model = new ModelGrid();
    model.preset = Preset.DENSE_461M;
    model.generated = List.of(generated);
    model.contexts = contexts;
    model.backends = this == QUICK ? fastest : backends;
    model.threads = most;
    benchmark.model(model);
    benchmark.startup(start);
    return benchmark.soFar();
  }

  private AttentionGrid grid(
      Phase phase, List<String> backends, List<Integer> ofHeads, List<Integer> threads) {
    AttentionGrid grid = new AttentionGrid();
    grid.phases = List.of(phase);
    grid.backends = backends;
    grid.heads = ofHeads;
    grid.tokens = tokens;
    grid.prefill = prefill;
    grid.threads = threads;
    return grid;
  }
}
