package io.mla4j.checkpoint;

import io.mla4j.ops.Scales;

/**
 * The scales of a {@link StoredTensor} that lie in a tensor of their own.
 *
 * @param values (ceil(rows / blockRows), ceil(columns / blockColumns))
 * @param blockRows rows that share a scale
 * @param blockColumns columns that do
 */
public record StoredScales(StoredTensor values, int blockRows, int blockColumns) {
  /** A view for computations. */
  public Scales scales() {
    return new Scales(values.tensor(), blockRows, blockColumns);
  }
}
