package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Linear layers and the small linears of each head. */
final class ScalarLinear {
  /** Rows of activations that the weights pass by at once. */
  private static final int BLOCK = 64;

  private ScalarLinear() {}

  static long packedBytes(LinearParams p) {
    return (long) p.rows() * p.k() * Float.BYTES;
  }

  static void pack(
      LinearParams p,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed) {
    float[] row = Scratch.ofThread().floats(0, p.k());
    for (int i = rowBegin; i < rowEnd; i++) {
      long source = ScalarKernels.isNull(indices) ? i : Stored.readInt(indices, i);
      Stored.readFloats(x, source * p.xStride(), row, 0, p.k());
      ScalarLoops.roundIf(p.compute() == ComputeType.BF16, row, 0, p.k());
      Stored.writeFloats(row, 0, packed, (long) i * p.k(), p.k());
    }
  }

  static void linear(
      LinearParams p,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment scales,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y) {
    ScalarKernels.requireNoScales(scales);
    Scratch scratch = Scratch.ofThread();
    float[] w = scratch.floats(0, p.k());
    float[] x = scratch.floats(1, Math.min(p.rows(), BLOCK) * p.k());
    for (int rowBegin = 0; rowBegin < p.rows(); rowBegin += BLOCK) {
      int rows = Math.min(BLOCK, p.rows() - rowBegin);
      Stored.readFloats(packed, (long) rowBegin * p.k(), x, 0, rows * p.k());
      for (int n = nBegin; n < nEnd; n++) {
        long offset = p.weightType().bytes(n * p.weightStride());
        p.weightType().widen(weight, offset, w, 0, p.k());
        float b = ScalarKernels.isNull(bias) ? 0 : Stored.readFloat(bias, n);
        for (int i = 0; i < rows; i++) {
          long at = (rowBegin + i) * p.yStride() + n;
          Stored.writeFloat(y, at, ScalarLoops.dot(x, i * p.k(), w, 0, p.k()) + b);
        }
      }
    }
  }

  static void headLinear(
      HeadLinearParams p,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment scales,
      int headBegin,
      int headEnd,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    ScalarKernels.requireNoScales(scales);
    Scratch scratch = Scratch.ofThread();
    int rows = p.transposed() ? p.in() : p.out();
    int columns = p.transposed() ? p.out() : p.in();
    float[] w = scratch.floats(0, rows * columns);
    float[] in = scratch.floats(1, p.in());
    float[] out = scratch.floats(2, p.out());
    for (int h = headBegin; h < headEnd; h++) {
      for (int r = 0; r < rows; r++) {
        long element = h * p.weightHeadStride() + r * p.weightStride();
        p.weightType().widen(weight, p.weightType().bytes(element), w, r * columns, columns);
      }
      for (int t = tokenBegin; t < tokenEnd; t++) {
        Stored.readFloats(x, t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.in());
        ScalarLoops.roundIf(p.compute() == ComputeType.BF16, in, 0, p.in());
        if (p.transposed()) {
          Arrays.fill(out, 0, p.out(), 0);
          for (int r = 0; r < rows; r++) {
            ScalarLoops.axpy(in[r], w, r * columns, out, 0, columns);
          }
        } else {
          for (int r = 0; r < rows; r++) {
            out[r] = ScalarLoops.dot(in, 0, w, r * columns, columns);
          }
        }
        Stored.writeFloats(out, 0, y, t * p.yTokenStride() + h * p.yHeadStride(), p.out());
      }
    }
  }
}
