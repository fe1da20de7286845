package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import java.nio.file.Path;
import java.util.List;

/**
 * Which attention rows to measure: all combinations.
 *
 * @param phases decode, prefill
 * @param tokens cached tokens of a sequence when it decodes, the new ones included
 * @param sQ new tokens when it decodes
 * @param prefill new tokens of a prefill
 * @param cached tokens that are there before a prefill
 * @param isas native instruction sets; empty for the one that is chosen
 * @param computes empty for the faster one of each device
 * @param forms of MLA; in decode, absorbed means queries that are absorbed already
 * @param pages tokens of a page
 * @param library somebody else's kernels, or null
 */
public record AttentionGrid(
    List<Phase> phases,
    List<Kind> kinds,
    List<String> backends,
    List<String> isas,
    List<Integer> heads,
    List<Integer> tokens,
    List<Integer> batches,
    List<Integer> sQ,
    List<Integer> prefill,
    List<Integer> cached,
    List<Integer> threads,
    List<ComputeType> computes,
    List<CacheType> cacheTypes,
    List<AttentionForm> forms,
    List<Residency> residencies,
    List<Integer> pages,
    Path library) {
  /** What is named twice is measured once. */
  public AttentionGrid {
    phases = Grids.distinct(phases);
    kinds = Grids.distinct(kinds);
    backends = Grids.distinct(backends);
    isas = Grids.distinct(isas);
    heads = Grids.distinct(heads);
    tokens = Grids.distinct(tokens);
    batches = Grids.distinct(batches);
    sQ = Grids.distinct(sQ);
    prefill = Grids.distinct(prefill);
    cached = Grids.distinct(cached);
    threads = Grids.distinct(threads);
    computes = Grids.distinct(computes);
    cacheTypes = Grids.distinct(cacheTypes);
    forms = Grids.distinct(forms);
    residencies = Grids.distinct(residencies);
    pages = Grids.distinct(pages);
  }

  /** A few new tokens over a long cache, or many. */
  public enum Phase {
    /** Benchmark {@code attention}. */
    DECODE,
    /** Benchmark {@code prefill}. */
    PREFILL
  }

  /** Where the cache or the weights are when an operation starts. */
  public enum Residency {
    /** In memory: rows take turns over the whole pool. */
    COLD,
    /** Wherever the operation before left them. */
    WARM
  }
}
