package io.mla4j.checkpoint;

import io.mla4j.ops.Scales;
import java.util.List;

/**
 * The scales of a {@link StoredTensor} that lie in a tensor of their own.
 *
 * @param values (.., ceil(rows / blockRows), ceil(columns / blockColumns)), further dimensions as
 *     the tensor has them
 * @param blockRows rows that share a scale
 * @param blockColumns columns that do
 */
public record StoredScales(StoredTensor values, int blockRows, int blockColumns) {
  /**
   * The scales of some rows of one of the matrices.
   *
   * @param matrixRows rows of each matrix
   * @param first row of the piece, counted through all matrices
   * @param rows of the piece, which lie in one matrix
   * @throws CheckpointException where the piece begins inside of a block
   */
  StoredScales rows(long matrixRows, long first, long rows) {
    long inMatrix = first % matrixRows;
    boolean one = blockRows >= matrixRows;
    if (!one && inMatrix % blockRows != 0) {
      throw values.error(
          "has scales for blocks of "
              + blockRows
              + " rows, and a matrix begins at row "
              + inMatrix
              + ", inside of one");
    }
    long count = one ? 1 : Math.ceilDiv(rows, blockRows);
    long columns = values.shape().getLast();
    long before =
        first / matrixRows * Math.ceilDiv(matrixRows, blockRows) + (one ? 0 : inMatrix / blockRows);
    long bytes = values.type().bytes(columns);
    return new StoredScales(
        new StoredTensor(
            values.name(),
            values.file(),
            values.type(),
            List.of(count, columns),
            values.segment().asSlice(before * bytes, count * bytes)),
        one ? Math.toIntExact(rows) : blockRows,
        blockColumns);
  }

  /** A view for computations. */
  public Scales scales() {
    return new Scales(values.tensor(), blockRows, blockColumns);
  }
}
