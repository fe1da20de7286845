package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Scratch;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Tile;
import java.util.Arrays;

/** Linear layers and the small products of each head. */
final class ScalarLinear {
  /** Rows of activations that the weights pass by at once. */
  private static final int BLOCK = 64;

  private ScalarLinear() {}

  static void pack(MatrixProduct p, Tile tile) {
    boolean gathered = !ScalarKernels.isNull(p.indices());
    float[] row = Scratch.ofThread().floats(0, p.k());
    for (int i = tile.rowBegin(); i < tile.rowEnd(); i++) {
      long source = gathered ? Floats.getInt(p.indices(), i) : i;
      Floats.read(p.x(), source * p.xStride(), row, 0, p.k());
      Floats.roundIf(p.compute() == ComputeType.BF16, row, 0, p.k());
      Floats.write(row, 0, tile.workspace(), (long) i * p.k(), p.k());
    }
  }

  static void multiply(MatrixProduct p, Tile tile) {
    Scratch scratch = Scratch.ofThread();
    float[] w = scratch.floats(0, p.k());
    float[] x = scratch.floats(1, Math.min(p.rows(), BLOCK) * p.k());
    for (int rowBegin = 0; rowBegin < p.rows(); rowBegin += BLOCK) {
      int rows = Math.min(BLOCK, p.rows() - rowBegin);
      Floats.read(tile.workspace(), (long) rowBegin * p.k(), x, 0, rows * p.k());
      for (int n = tile.rowBegin(); n < tile.rowEnd(); n++) {
        p.matrix().widen(n, 0, w, 0, p.k());
        float b = ScalarKernels.isNull(p.bias()) ? 0 : Floats.get(p.bias(), n);
        for (int i = 0; i < rows; i++) {
          long at = (rowBegin + i) * p.yStride() + n;
          Floats.set(p.y(), at, Floats.dot(x, i * p.k(), w, 0, p.k()) + b);
        }
      }
    }
  }

  static void ofHeads(HeadProduct p, Tile tile) {
    Scratch scratch = Scratch.ofThread();
    int rows = p.transposed() ? p.in() : p.out();
    int columns = p.transposed() ? p.out() : p.in();
    float[] w = scratch.floats(0, rows * columns);
    float[] in = scratch.floats(1, p.in());
    float[] out = scratch.floats(2, p.out());
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      for (int r = 0; r < rows; r++) {
        p.matrices().widen(h, r, w, r * columns, columns);
      }
      for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
        Floats.read(p.x(), t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.in());
        Floats.roundIf(p.compute() == ComputeType.BF16, in, 0, p.in());
        if (p.transposed()) {
          Arrays.fill(out, 0, p.out(), 0);
          for (int r = 0; r < rows; r++) {
            Floats.axpy(in[r], w, r * columns, out, 0, columns);
          }
        } else {
          for (int r = 0; r < rows; r++) {
            out[r] = Floats.dot(in, 0, w, r * columns, columns);
          }
        }
        Floats.write(out, 0, p.y(), t * p.yTokenStride() + h * p.yHeadStride(), p.out());
      }
    }
  }
}
