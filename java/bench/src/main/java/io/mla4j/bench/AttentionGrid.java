package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.model.DecoderOptions;
import java.nio.file.Path;
import java.util.List;

/** Which attention rows to measure. */
public final class AttentionGrid extends Grid {
  /** Decode, prefill. */
  public List<Phase> phases = List.of(Phase.values());

  /** What the cache holds. */
  public List<Kind> kinds = List.of(Kind.MLA);

  /** Query heads. */
  public List<Integer> heads = List.of(16, 128);

  /** Cached tokens of a sequence when it decodes, the new ones included. */
  public List<Integer> tokens = List.of(1024, 16384);

  /** Sequences. */
  public List<Integer> batches = List.of(1);

  /** New tokens when it decodes. */
  public List<Integer> sQ = List.of(1);

  /** New tokens of a prefill. */
  public List<Integer> prefill = List.of(2048);

  /** Tokens that are there before a prefill. */
  public List<Integer> cached = List.of(0);

  /** How rows are stored. */
  public List<CacheType> cacheTypes = List.of(CacheType.BF16);

  /** Of MLA; in decode, absorbed means queries that are absorbed already. Empty for the usual. */
  public List<AttentionForm> forms = List.of();

  /** Where the cache is. */
  public List<Residency> residencies = List.of(Residency.COLD);

  /** Tokens of a page. */
  public List<Integer> pages = List.of(DecoderOptions.DEFAULT_PAGE_SIZE);

  /** Somebody else's kernels, or null. */
  public Path library;

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
