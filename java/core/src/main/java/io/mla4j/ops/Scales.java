package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * Scales of a {@link Weight} in a plane of their own: all elements of a block of rows and columns
 * share one. The last blocks of a row or a column may be cut off by the end of the matrix.
 *
 * @param values (ceil(out / blockRows), ceil(in / blockColumns)) in a format of {@link
 *     StorageFormat#scales}
 * @param blockRows rows of the weight that share a scale, 1 or more
 * @param blockColumns columns that do, 1 or more
 */
public record Scales(Tensor values, int blockRows, int blockColumns) {
  /**
   * Checks the ranges above.
   *
   * @throws InvalidArgumentException naming the component that is out of its range
   */
  public Scales {
    Checks.requireNonNull("scales.values", values);
    Checks.positiveInt("scales.blockRows", blockRows);
    Checks.positiveInt("scales.blockColumns", blockColumns);
    if (!values.format().isScale() || values.rank() != 2) {
      throw new InvalidArgumentException(
          "scales.values is "
              + values
              + ", but must be a matrix of "
              + StorageFormat.names(StorageFormat.scales()));
    }
    Checks.requireNative("scales.values", values);
  }

  /** How a scale is stored. */
  public StorageFormat format() {
    return values.format();
  }

  /** The plane has a scale for every block of {@code weight}. */
  void requireFits(Tensor weight) {
    long rows = Math.ceilDiv(weight.dim(0), blockRows);
    long columns = Math.ceilDiv(weight.dim(1), blockColumns);
    if (values.dim(0) != rows || values.dim(1) != columns) {
      throw new InvalidArgumentException(
          "scales.values is "
              + values
              + ", but "
              + weight
              + " in blocks of "
              + blockRows
              + " x "
              + blockColumns
              + " has ["
              + rows
              + ", "
              + columns
              + "] scales");
    }
  }

  /** {@code to[at + i]} becomes element (row, column + i) for i below n: times its scale. */
  public void multiply(long row, long column, float[] to, int at, int n) {
    StorageFormat format = values.format();
    long first = row / blockRows * values.stride(0);
    for (int i = 0; i < n; ) {
      long block = (column + i) / blockColumns;
      int end = (int) Math.min(n, (block + 1) * blockColumns - column);
      float scale = format.read(values.segment(), format.bytes(first + block));
      for (; i < end; i++) {
        to[at + i] *= scale;
      }
    }
  }

  /** The scales and minima of the elements that begin at {@code at} are multiplied by theirs. */
  void multiply(Coding coding, long row, long column, Codes to, int at, int n) {
    StorageFormat format = values.format();
    long first = row / blockRows * values.stride(0);
    int end = at + Int8.blocks(n) * Int8.BLOCK;
    for (int i = at; i < end; i += coding.run()) {
      long block = (column + (i - at) / Int8.BLOCK * Int8.BLOCK) / blockColumns;
      float scale = format.read(values.segment(), format.bytes(first + block));
      to.scales()[i / coding.run()] *= scale;
      if (coding.hasMinima()) {
        to.minima()[i / coding.run()] *= scale;
      }
    }
  }
}
