package io.mla4j.vector;

import io.mla4j.ComputeType;
import io.mla4j.cpu.Stored;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.vector.VectorScratch.Use;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Linear layers and the small linears of each head. */
final class VectorLinear {
  /** Columns of y that are collected before they are written. */
  private static final int COLUMNS = 96;

  /** Rows of a head's transposed matrix that are widened at a time. */
  private static final int HEAD_ROWS = 16;

  private VectorLinear() {}

  /** {@code bias} (n) F32 or null. */
  static void linear(
      LinearParams p,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y) {
    int k = p.k();
    int stride = Lanes.roundUp(k);
    long strideBytes = p.weightStride() * p.weightType().bytes();
    VectorScratch scratch = VectorScratch.ofThread();
    float[] x = scratch.floats(Use.X, Math.min(p.rows(), DotProducts.ROW_BLOCK) * stride);
    float[] c = scratch.floats(Use.Y, DotProducts.ROW_BLOCK * COLUMNS + COLUMNS);
    int biasAt = DotProducts.ROW_BLOCK * COLUMNS;
    for (int row = 0; row < p.rows(); row += DotProducts.ROW_BLOCK) {
      int rows = Math.min(DotProducts.ROW_BLOCK, p.rows() - row);
      for (int r = 0; r < rows; r++) {
        Stored.readFloats(packed, (long) (row + r) * k, x, r * stride, k);
        Arrays.fill(x, r * stride + k, (r + 1) * stride, 0);
      }
      for (int n = nBegin; n < nEnd; n += COLUMNS) {
        int columns = Math.min(COLUMNS, nEnd - n);
        DotProducts.times(
            scratch,
            x,
            stride,
            rows,
            k,
            p.weightType(),
            weight,
            n * strideBytes,
            strideBytes,
            columns,
            c,
            0,
            COLUMNS);
        if (bias != null) {
          Stored.readFloats(bias, n, c, biasAt, columns);
        }
        for (int r = 0; r < rows; r++) {
          if (bias != null) {
            for (int j = 0; j < columns; j++) {
              c[r * COLUMNS + j] += c[biasAt + j];
            }
          }
          Stored.writeFloats(c, r * COLUMNS, y, (row + r) * p.yStride() + n, columns);
        }
      }
    }
  }

  static void headLinear(
      HeadLinearParams p,
      MemorySegment x,
      MemorySegment weight,
      int headBegin,
      int headEnd,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    int in = p.in();
    int inStride = Lanes.roundUp(in);
    int outStride = Lanes.roundUp(p.out());
    VectorScratch scratch = VectorScratch.ofThread();
    int block = Math.min(DotProducts.ROW_BLOCK, tokenEnd - tokenBegin);
    float[] rows = scratch.floats(Use.X, block * inStride);
    float[] out = scratch.floats(Use.OUT, block * outStride);
    for (int h = headBegin; h < headEnd; h++) {
      long weightAt = h * p.weightHeadStride() * p.weightType().bytes();
      for (int t = tokenBegin; t < tokenEnd; t += DotProducts.ROW_BLOCK) {
        int tokens = Math.min(DotProducts.ROW_BLOCK, tokenEnd - t);
        for (int i = 0; i < tokens; i++) {
          long at = (t + i) * p.xTokenStride() + h * p.xHeadStride();
          Stored.readFloats(x, at, rows, i * inStride, in);
          Arrays.fill(rows, i * inStride + in, (i + 1) * inStride, 0);
        }
        if (p.compute() == ComputeType.BF16) {
          Lanes.roundBf16(rows, 0, tokens * inStride);
        }
        if (p.transposed()) {
          timesHead(p, scratch, rows, inStride, tokens, weight, weightAt, out, outStride);
        } else {
          DotProducts.times(
              scratch,
              rows,
              inStride,
              tokens,
              in,
              p.weightType(),
              weight,
              weightAt,
              p.weightStride() * p.weightType().bytes(),
              p.out(),
              out,
              0,
              outStride);
        }
        for (int i = 0; i < tokens; i++) {
          long at = (t + i) * p.yTokenStride() + h * p.yHeadStride();
          Stored.writeFloats(out, i * outStride, y, at, p.out());
        }
      }
    }
  }

  /**
   * out (tokens, out) = rows (tokens, in) times the head's matrix (in, out), with out in the lanes.
   */
  private static void timesHead(
      HeadLinearParams p,
      VectorScratch scratch,
      float[] rows,
      int rowStride,
      int tokens,
      MemorySegment weight,
      long weightAt,
      float[] out,
      int outStride) {
    long strideBytes = p.weightStride() * p.weightType().bytes();
    float[] w = scratch.floats(Use.PANEL, HEAD_ROWS * outStride);
    float[] factors = scratch.floats(Use.ROW_STATE, tokens);
    Arrays.fill(factors, 0, tokens, 1);
    Arrays.fill(out, 0, tokens * outStride, 0);
    for (int i = 0; i < p.in(); i += HEAD_ROWS) {
      int count = Math.min(HEAD_ROWS, p.in() - i);
      for (int j = 0; j < count; j++) {
        long from = weightAt + (i + j) * strideBytes;
        Lanes.widen(p.weightType(), weight, from, w, j * outStride, p.out());
      }
      WeightedSums.add(
          rows, i, rowStride, 1, tokens, w, 0, outStride, count, p.out(), factors, 0, out, 0,
          outStride);
    }
  }
}
