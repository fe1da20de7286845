package io.mla4j.spi;

import java.lang.foreign.MemorySegment;

/** The queries and the latents of sequences, as attention over a layer reads them. */
public interface LatentView {
  /** Sequences. */
  int sequences();

  /** The row of the queries that is the first of sequence {@code i}. */
  int firstToken(int i);

  /** Queries of sequence {@code i}. */
  int queryTokens(int i);

  /** Cached tokens of sequence {@code i}, the last of which are its queries. */
  int kvTokens(int i);

  /**
   * The page table of sequence {@code i}: I32 page ids, at least {@code ceil(kvTokens / pageSize)}.
   */
  MemorySegment pageTable(int i);

  /** Cached tokens that one tile of sequence {@code i} covers, absorbed form. */
  int splitLength(int i);

  /** Numbers of the pages of latents, the same for every layer. */
  CacheParams cacheParams();

  /** The latents of layer {@code layer}. */
  MemorySegment layerBase(int layer);
}
