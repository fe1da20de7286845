package io.mla4j.spi;

import io.mla4j.AttentionForm;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** What a backend reads of a plan: the pages of its sequences, and how each is to be attended. */
public interface PagedView extends DecodePlan, LatentView {
  /**
   * The view of a plan.
   *
   * @throws InvalidArgumentException where it is null or was not made by a step
   */
  static PagedView of(@Nullable DecodePlan plan) {
    if (plan instanceof PagedView view) {
      return view;
    }
    throw new InvalidArgumentException(
        plan == null ? "plan is null" : "plan was not made by a step or a batch");
  }

  /** The form for sequence {@code i}: never {@link AttentionForm#AUTO}. */
  AttentionForm form(int i);

  /** {@link #splitLength} of one query over {@code keys} tokens that were chosen for it. */
  int splitOfChosen(int keys);

  /**
   * Keeps the pool open until {@link Lease#close}: an operation takes one before it touches the
   * pages.
   *
   * @throws io.mla4j.ClosedException where the pool or the step is closed
   */
  Lease acquire();

  @Override
  default CacheParams cacheParams() {
    return cacheParams(rows());
  }

  @Override
  default MemorySegment layerBase(int layer) {
    return layerBase(rows(), layer);
  }

  /** Numbers of the pages of a group of rows, the same for each of its layers. */
  CacheParams cacheParams(int group);

  /** The pages of layer {@code layer} of a group of rows. */
  MemorySegment layerBase(int group, int layer);

  /**
   * The state of sequence {@code i} in layer {@code layer} of those that have one, before the
   * step's new tokens. Without meaning where there are no tokens before them: then it is all zeros.
   *
   * @throws io.mla4j.InvalidStateException where the layer has not seen all tokens before them
   */
  MemorySegment stateBefore(int i, int layer);

  /**
   * Where the state after the new tokens of sequence {@code i} goes; {@link #stateBefore} stays as
   * it is until the step is committed.
   */
  MemorySegment stateAfter(int i, int layer);

  /** Tells that {@link #stateAfter} has been written: a commit makes it the state. */
  void stateWritten(int i, int layer);

  /** Keeps a pool open. */
  @FunctionalInterface
  interface Lease extends AutoCloseable {
    @Override
    void close();
  }
}
