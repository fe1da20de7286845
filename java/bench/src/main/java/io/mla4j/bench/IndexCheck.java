package io.mla4j.bench;

import io.mla4j.LatentLayout;
import io.mla4j.ops.Tensor;
import io.mla4j.testkit.StoredRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.BitSet;

/** Compares the tokens that an indexer chose with scores in double precision. */
final class IndexCheck {
  /** Of the largest score: float32 sums over heads and widths, in another order. */
  private static final double TOLERANCE = 1e-5;

  private final String label;
  private final LatentLayout layout;
  private final int page;
  private final MemorySegment pages;
  private final MemorySegment pageTable;
  private final Tensor q;
  private final StoredRows stored;

  /**
   * @param label names the row to a person
   * @param pages of the layer's keys
   * @param q (n, heads, width)
   */
  IndexCheck(
      String label, SparseSpec spec, MemorySegment pages, MemorySegment pageTable, Tensor q) {
    this.label = label;
    layout = spec.keys();
    page = spec.attention().page();
    this.pages = pages;
    this.pageTable = pageTable;
    this.q = q;
    stored = new StoredRows(layout);
  }

  /** Requires that no token was passed over whose score is clearly larger than a chosen one's. */
  void requireBest(Tensor weights, int query, int visible, int[] chosen) {
    double[] scores = new double[visible];
    double largest = 0;
    for (int s = 0; s < visible; s++) {
      scores[s] = score(weights, query, s);
      largest = Math.max(largest, Math.abs(scores[s]));
    }
    int count = Math.min(chosen.length, visible);
    double[] sorted = scores.clone();
    Arrays.sort(sorted);
    double least = sorted[visible - count];
    BitSet taken = new BitSet(visible);
    for (int s : chosen) {
      taken.set(s);
    }
    for (int s = 0; s < visible; s++) {
      double over = taken.get(s) ? least - scores[s] : scores[s] - least;
      if (over > TOLERANCE * largest) {
        throw new BenchException(
            "the result of "
                + label
                + " is wrong: token "
                + s
                + " with score "
                + scores[s]
                + (taken.get(s) ? " was chosen" : " was passed over")
                + ", the least of the best is "
                + least);
      }
    }
  }

  private double score(Tensor weights, int query, int token) {
    long from = pageTable.getAtIndex(ValueLayout.JAVA_INT, token / page) * layout.pageBytes(page);
    int slot = token % page;
    long row = from + slot * layout.rowStrideBytes();
    long scales = from + page * layout.rowStrideBytes() + slot * layout.scaleBytes();
    double[] key = new double[layout.latent()];
    for (int i = 0; i < key.length; i++) {
      key[i] = stored.read(pages, row, scales, i);
    }
    double sum = 0;
    for (int h = 0; h < q.dim(1); h++) {
      double dot = 0;
      long at = query * q.stride(0) + h * q.stride(1);
      for (int i = 0; i < key.length; i++) {
        dot += key[i] * q.segment().getAtIndex(ValueLayout.JAVA_FLOAT, at + i);
      }
      double weight =
          weights.segment().getAtIndex(ValueLayout.JAVA_FLOAT, query * weights.stride(0) + h);
      sum += weight * Math.max(0, dot);
    }
    return sum;
  }
}
