package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.cpu.Stored;
import io.mla4j.vector.VectorScratch.Use;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** Norms and SwiGLU: rows are copied to arrays, with zeros up to whole vectors. */
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
    VectorScratch scratch = VectorScratch.ofThread();
    float[] row = scratch.floats(Use.X, padded);
    float[] w = scratch.floats(Use.PANEL, padded);
    Stored.readFloats(weight, 0, w, 0, width);
    Arrays.fill(w, width, padded, 0);
    Arrays.fill(row, width, padded, 0);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(x, i * xStride, row, 0, width);
      FloatVector squares = FloatVector.zero(F);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, row, j);
        squares = v.fma(v, squares);
      }
      float factor = (float) (1 / Math.sqrt(Lanes.sumLanes(squares) / width + eps));
      for (int j = 0; j < padded; j += L) {
        FloatVector.fromArray(F, w, j)
            .mul(FloatVector.fromArray(F, row, j).mul(factor))
            .intoArray(row, j);
      }
      Stored.writeFloats(row, 0, y, i * yStride, width);
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
    VectorScratch scratch = VectorScratch.ofThread();
    float[] g = scratch.floats(Use.X, padded);
    float[] u = scratch.floats(Use.Y, padded);
    FloatVector one = FloatVector.broadcast(F, 1);
    for (int i = 0; i < rows; i++) {
      Stored.readFloats(gate, i * gateStride, g, 0, width);
      Stored.readFloats(up, i * upStride, u, 0, width);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, g, j);
        v.div(one.add(Lanes.exp(v.neg()))).mul(FloatVector.fromArray(F, u, j)).intoArray(g, j);
      }
      Stored.writeFloats(g, 0, y, i * yStride, width);
    }
  }
}
