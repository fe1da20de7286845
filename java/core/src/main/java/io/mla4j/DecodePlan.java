package io.mla4j;

import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;

/**
 * How one step attends: made once a step, used by every layer.
 *
 * <p>The form of attention and the splits of a sequence follow from its own query and cached
 * counts, never from the batch or the threads. Belongs to the thread of its step.
 */
public interface DecodePlan {
  /** New tokens of all sequences. */
  int tokens();

  /** Sequences of the step. */
  int sequences();

  /** The index of the first token of sequence {@code i} in the step's tensors. */
  int firstToken(int i);

  /** New tokens of sequence {@code i}. */
  int queryTokens(int i);

  /** Tokens of sequence {@code i} after the step. */
  int kvTokens(int i);

  /**
   * The page table of sequence {@code i}: I32 page ids, at least {@code ceil(kvTokens / pageSize)}.
   */
  MemorySegment pageTable(int i);

  /** The form for sequence {@code i}: never {@link AttentionForm#AUTO}. */
  AttentionForm form(int i);

  /** Cached tokens that one tile of sequence {@code i} covers, absorbed form. */
  int splitLength(int i);

  /** The heads that the plan was made for. */
  MlaShape shape();

  /**
   * Keeps the pool open until {@link Lease#close}: an operation takes one before it touches the
   * pages.
   *
   * @throws ClosedException where the pool or the step is closed
   */
  Lease acquire();

  /** Numbers of the pages, the same for every layer. */
  CacheParams cacheParams();

  /** Layers of the pool. */
  int layers();

  /** The pages of layer {@code layer}. */
  MemorySegment layerBase(int layer);

  /** Keeps a pool open. */
  @FunctionalInterface
  interface Lease extends AutoCloseable {
    @Override
    void close();
  }
}
