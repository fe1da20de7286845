package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * One matrix for each head among the rows of a weight: that of head h begins at row {@code firstRow
 * + h * headRows}.
 *
 * @param transposed false: a row of a head's matrix makes one number of the head from a latent, so
 *     that it is (width, latent); true: it is stored the other way round, (latent, width)
 */
public record HeadMatrices(Weight weight, int firstRow, int headRows, boolean transposed) {
  /** The first head's matrix and all that follows. */
  public MemorySegment segment() {
    return weight.tensor().segmentFrom(firstRow);
  }

  /** Elements between rows. */
  public long stride() {
    return weight.tensor().stride(0);
  }

  /** Elements between the matrices of two heads. */
  public long headStride() {
    return headRows * stride();
  }

  /** {@link Weight#widen} of row {@code row} of head {@code head}. */
  public void widen(int head, int row, float[] to, int at, int n) {
    weight.widen(firstRow + (long) head * headRows + row, 0, to, at, n);
  }

  /** {@link Weight#codes} of row {@code row} of head {@code head}. */
  public void codes(int head, int row, Codes to, int n) {
    weight.codes(firstRow + (long) head * headRows + row, 0, to, 0, n);
  }
}
