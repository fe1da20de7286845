package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.cpu.Stored;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** Norms and SwiGLU: rows are copied to the slab, with zeros up to whole vectors. */
final class VectorRows {
  private VectorRows() {}

  static void rmsNorm(
      MemorySegment x,
      long xStride,
      MemorySegment weight,
      float eps,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    int padded = Lanes.roundUp(width);
    int row = Slab.START;
    int w = Slab.after(row, padded);
    float[] m = Slab.ofThread(Slab.after(w, padded));
    Stored.readFloats(weight, 0, m, w, width);
    Arrays.fill(m, w + width, w + padded, 0);
    Arrays.fill(m, row + width, row + padded, 0);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(x, i * xStride, m, row, width);
      FloatVector squares = FloatVector.zero(F);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, m, row + j);
        squares = v.fma(v, squares);
      }
      float factor = (float) (1 / Math.sqrt(Lanes.sumLanes(squares) / width + eps));
      for (int j = 0; j < padded; j += L) {
        FloatVector normed = FloatVector.fromArray(F, m, row + j).mul(factor);
        FloatVector.fromArray(F, m, w + j).mul(normed).intoArray(m, row + j);
      }
      Stored.writeFloats(m, row, y, i * yStride, width);
    }
  }

  static void swiglu(
      MemorySegment gate,
      long gateStride,
      MemorySegment up,
      long upStride,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    int padded = Lanes.roundUp(width);
    int g = Slab.START;
    int u = Slab.after(g, padded);
    float[] m = Slab.ofThread(Slab.after(u, padded));
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(gate, i * gateStride, m, g, width);
      Stored.readFloats(up, i * upStride, m, u, width);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, m, g + j);
        FloatVector silu = v.div(Lanes.exp(v.neg()).add(1f));
        silu.mul(FloatVector.fromArray(F, m, u + j)).intoArray(m, g + j);
      }
      Stored.writeFloats(m, g, y, i * yStride, width);
    }
  }
}
