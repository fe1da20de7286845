package io.mla4j.bench;

import io.mla4j.CacheType;
import io.mla4j.model.DecoderOptions;
import java.util.List;

/** Which steps of sparse attention to measure: all that a layer does between its projections. */
public final class SparseGrid extends Grid {
  /** What is timed. */
  public List<Part> parts = List.of(Part.values());

  /** Heads that attend. */
  public List<Integer> heads = List.of(16, 128);

  /** Cached tokens of the sequence, the new ones included. */
  public List<Integer> tokens = List.of(4096, 16384, 65536);

  /** New tokens. */
  public List<Integer> sQ = List.of(1);

  /** Tokens that a token attends to. */
  public int topK = 2048;

  /** How rows are stored. */
  public List<CacheType> cacheTypes = List.of(CacheType.BF16);

  /** The indexer. */
  public Indexer indexer = Indexer.V32;

  /** Tokens of a page. */
  public int page = DecoderOptions.DEFAULT_PAGE_SIZE;

  /** What is timed. */
  public enum Part {
    /** Attention to all cached tokens. */
    DENSE,
    /** Attention to the tokens that were chosen. */
    CHOSEN,
    /** The indexer's scores of all cached tokens, and the choice. */
    INDEXER
  }

  /**
   * An indexer.
   *
   * @param heads of its queries
   * @param width of a head and of a key
   */
  public record Indexer(int heads, int width) {
    /** DeepSeek-V3.2's. */
    public static final Indexer V32 = new Indexer(64, 128);
  }
}
