package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.bench.AttentionGrid.Phase;
import io.mla4j.bench.AttentionGrid.Residency;
import io.mla4j.model.DecoderOptions;
import io.mla4j.ops.StorageFormat;
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

  private static final List<Integer> ONE = List.of(1);

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
    benchmark.attention(decode(List.of(Kind.MLA), backends, heads, threads));
    // The same model widths with other attention.
    benchmark.attention(
        decode(List.of(Kind.MHA, Kind.GQA, Kind.MQA), fastest, List.of(16, 128), most));
    benchmark.attention(grid(Phase.PREFILL, List.of(Kind.MLA), backends, List.of(16, 128), most));
    benchmark.linear(
        new LinearGrid(
            List.of(LinearGrid.Benchmark.values()),
            sizes,
            List.of(512),
            backends,
            List.of(),
            most,
            List.of(),
            List.of(StorageFormat.BF16),
            List.of(Residency.COLD),
            mixture));
    benchmark.model(
        new ModelGrid(
            Preset.DENSE_461M,
            null,
            List.of(512),
            List.of(generated),
            contexts,
            this == QUICK ? fastest : backends,
            List.of(),
            most,
            List.of(),
            List.of(),
            List.of(AttentionForm.AUTO),
            List.of(DecoderOptions.DEFAULT_PAGE_SIZE)));
    benchmark.startup(start);
    return benchmark.soFar();
  }

  private AttentionGrid decode(
      List<Kind> kinds, List<String> backends, List<Integer> ofHeads, List<Integer> threads) {
    return grid(Phase.DECODE, kinds, backends, ofHeads, threads);
  }

  private AttentionGrid grid(
      Phase phase,
      List<Kind> kinds,
      List<String> backends,
      List<Integer> ofHeads,
      List<Integer> threads) {
    return new AttentionGrid(
        List.of(phase),
        kinds,
        backends,
        List.of(),
        ofHeads,
        tokens,
        ONE,
        ONE,
        prefill,
        List.of(0),
        threads,
        List.of(),
        List.of(CacheType.BF16),
        List.of(),
        List.of(Residency.COLD),
        List.of(DecoderOptions.DEFAULT_PAGE_SIZE),
        null);
  }
}
