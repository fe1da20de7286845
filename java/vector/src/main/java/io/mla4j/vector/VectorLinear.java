package io.mla4j.vector;

import io.mla4j.ops.Floats;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Linear layers and the small linears of each head. */
final class VectorLinear {
  /**
   * Rows of x that stay in the second-level cache while the weights pass: whole tiles of {@link
   * DotProducts}.
   */
  private static final int ROW_BLOCK = 60;

  /**
   * Columns of y that are collected before they are written: whole panels of {@link DotProducts}.
   */
  private static final int COLUMNS = 96;

  private VectorLinear() {}

  static void multiply(MatrixProduct p, Tile tile) {
    MemorySegment packed = tile.workspace();
    MemorySegment bias = p.bias().byteSize() == 0 ? null : p.bias();
    int nBegin = tile.rowBegin();
    int nEnd = tile.rowEnd();
    int k = p.k();
    int stride = rowStride(k);
    int block = Math.min(p.rows(), ROW_BLOCK);
    // few rows read the whole range as streams
    int width = p.rows() <= DotProducts.STREAM_ROWS ? Slab.roundUp(nEnd - nBegin) : COLUMNS;
    int scratch = Slab.START;
    int x = Slab.after(scratch, DotProducts.SCRATCH);
    int c = Slab.after(x, block * stride);
    int biases = Slab.after(c, block * width);
    float[] m = Slab.ofThread(Slab.after(biases, width));
    DotProducts products = DotProducts.ofThread().set(m, scratch, p.matrix());
    for (int row = 0; row < p.rows(); row += ROW_BLOCK) {
      int rows = Math.min(ROW_BLOCK, p.rows() - row);
      for (int r = 0; r < rows; r++) {
        Floats.read(packed, (long) (row + r) * k, m, x + r * stride, k);
        Arrays.fill(m, x + r * stride + k, x + (r + 1) * stride, 0);
      }
      for (int n = nBegin; n < nEnd; n += width) {
        int columns = Math.min(width, nEnd - n);
        products.times(x, stride, rows, n, columns, c, width);
        if (bias != null) {
          Floats.read(bias, n, m, biases, columns);
        }
        for (int r = 0; r < rows; r++) {
          int at = c + r * width;
          if (bias != null) {
            for (int j = 0; j < columns; j++) {
              m[at + j] += m[biases + j];
            }
          }
          Floats.write(m, at, p.y(), (row + r) * p.yStride() + n, columns);
        }
      }
    }
  }

  /**
   * Whole cache lines, an odd number of them: rows of a power of two would crowd a few sets of the
   * cache.
   */
  static int rowStride(int k) {
    return Slab.roundUp(k) / 16 % 2 == 0 ? Slab.roundUp(k) + 16 : Slab.roundUp(k);
  }

  static void ofHeads(HeadProduct p, Tile tile) {
    HeadMatrices matrices = p.matrices();
    int tokenBegin = tile.rowBegin();
    int tokenEnd = tile.rowEnd();
    int in = p.in();
    int out = p.out();
    int block = Math.min(ROW_BLOCK, tokenEnd - tokenBegin);
    int inStride = rowStride(in);
    int outStride = rowStride(out);
    int scratch = Slab.START;
    int rows =
        Slab.after(scratch, p.transposed() ? RowSums.scratch(in, out, block) : DotProducts.SCRATCH);
    int results = Slab.after(rows, block * inStride);
    float[] m = Slab.ofThread(Slab.after(results, block * outStride));
    DotProducts products = DotProducts.ofThread();
    RowSums sums = RowSums.ofThread();
    if (p.transposed()) {
      sums.set(m, scratch, matrices.weight(), in);
    } else {
      products.set(m, scratch, matrices.weight());
    }
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      long first = matrices.firstRow() + (long) h * matrices.headRows();
      for (int t = tokenBegin; t < tokenEnd; t += ROW_BLOCK) {
        int tokens = Math.min(ROW_BLOCK, tokenEnd - t);
        for (int i = 0; i < tokens; i++) {
          int row = rows + i * inStride;
          Floats.read(p.x(), (t + i) * p.xTokenStride() + h * p.xHeadStride(), m, row, in);
          Arrays.fill(m, row + in, row + inStride, 0);
          if (p.compute().roundsToBf16()) {
            Lanes.roundBf16(m, row, in);
          }
        }
        if (p.transposed()) {
          sums.times(rows, inStride, tokens, first, results, outStride);
        } else {
          products.times(rows, inStride, tokens, first, out, results, outStride);
        }
        for (int i = 0; i < tokens; i++) {
          long to = (t + i) * p.yTokenStride() + h * p.yHeadStride();
          Floats.write(m, results + i * outStride, p.y(), to, out);
        }
      }
    }
  }
}
