package io.mla4j.spi;

import io.mla4j.ops.Operation;
import java.lang.foreign.MemorySegment;

/**
 * The positions of the largest scores of each row, as {@link io.mla4j.ops.ChooseKeys} says: row i
 * of a tile has {@code firstCount + i} scores. Where these are no more than topK, they are not
 * read.
 *
 * <p>scores (rows, ..) F32; chosen (rows, topK) I32. Set anew for every step; not thread-safe.
 */
public final class ChoiceTile implements Operation {
  private final int topK;
  private int rows;
  private int firstCount;
  private MemorySegment scores = MemorySegment.NULL;
  private long scoreStride;
  private MemorySegment chosen = MemorySegment.NULL;

  /** A choice of {@code topK} at most. */
  public ChoiceTile(int topK) {
    this.topK = topK;
  }

  /** Rows, and the scores of the first one: each next one has one more. */
  public void rows(int rows, int firstCount) {
    this.rows = rows;
    this.firstCount = firstCount;
  }

  /** The first row's scores, and the elements between rows. */
  public void scores(MemorySegment scores, long stride) {
    this.scores = scores;
    scoreStride = stride;
  }

  /** The first row's results. */
  public void chosen(MemorySegment chosen) {
    this.chosen = chosen;
  }

  /** Positions of a row at most. */
  public int topK() {
    return topK;
  }

  /** Rows in all. */
  public int rows() {
    return rows;
  }

  /** Scores of row i. */
  public int count(int i) {
    return firstCount + i;
  }

  /** The scores. */
  public MemorySegment scores() {
    return scores;
  }

  /** Elements between rows of scores. */
  public long scoreStride() {
    return scoreStride;
  }

  /** The results. */
  public MemorySegment chosen() {
    return chosen;
  }

  @Override
  public String name() {
    return "choice of keys";
  }
}
