package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Floats;
import io.mla4j.ops.Gate;
import io.mla4j.ops.LayerNorm;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.SwiGlu;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** Norms, SwiGLU and gates: rows are copied to the slab, with zeros up to whole vectors. */
final class VectorRows {
  private VectorRows() {}

  static void rmsNorm(RmsNorm o, int begin, int end) {
    int width = (int) o.x().dim(1);
    int padded = Lanes.roundUp(width);
    int row = Slab.START;
    int w = Slab.after(row, padded);
    float[] m = Slab.ofThread(Slab.after(w, padded));
    Floats.read(o.weight().segment(), 0, m, w, width);
    Arrays.fill(m, w + width, w + padded, 0);
    Arrays.fill(m, row + width, row + padded, 0);
    for (int i = begin; i < end; i++) {
      Floats.read(o.x().segment(), i * o.x().stride(0), m, row, width);
      FloatVector squares = FloatVector.zero(F);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, m, row + j);
        squares = v.fma(v, squares);
      }
      float factor = (float) (1 / Math.sqrt(Lanes.sumLanes(squares) / width + o.eps()));
      for (int j = 0; j < padded; j += L) {
        FloatVector normed = FloatVector.fromArray(F, m, row + j).mul(factor);
        FloatVector.fromArray(F, m, w + j).mul(normed).intoArray(m, row + j);
      }
      Floats.write(m, row, o.out().segment(), i * o.out().stride(0), width);
    }
  }

  static void layerNorm(LayerNorm o, int begin, int end) {
    int width = (int) o.x().dim(1);
    int padded = Lanes.roundUp(width);
    int row = Slab.START;
    int w = Slab.after(row, padded);
    int b = Slab.after(w, padded);
    float[] m = Slab.ofThread(Slab.after(b, padded));
    Floats.read(o.weight().segment(), 0, m, w, width);
    Floats.read(o.bias().segment(), 0, m, b, width);
    Arrays.fill(m, w + width, w + padded, 0);
    Arrays.fill(m, b + width, b + padded, 0);
    for (int i = begin; i < end; i++) {
      Floats.read(o.x().segment(), i * o.x().stride(0), m, row, width);
      Arrays.fill(m, row + width, row + padded, 0);
      FloatVector total = FloatVector.zero(F);
      for (int j = 0; j < padded; j += L) {
        total = total.add(FloatVector.fromArray(F, m, row + j));
      }
      float mean = Lanes.sumLanes(total) / width;
      // Behind the end lies the mean itself, which counts nothing.
      Arrays.fill(m, row + width, row + padded, mean);
      FloatVector squares = FloatVector.zero(F);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, m, row + j).sub(mean);
        squares = v.fma(v, squares);
      }
      float factor = (float) (1 / Math.sqrt(Lanes.sumLanes(squares) / width + o.eps()));
      for (int j = 0; j < padded; j += L) {
        FloatVector normed = FloatVector.fromArray(F, m, row + j).sub(mean).mul(factor);
        FloatVector biases = FloatVector.fromArray(F, m, b + j);
        FloatVector.fromArray(F, m, w + j).fma(normed, biases).intoArray(m, row + j);
      }
      Floats.write(m, row, o.out().segment(), i * o.out().stride(0), width);
    }
  }

  static void swiglu(SwiGlu o, int begin, int end) {
    int width = (int) o.gate().dim(1);
    int padded = Lanes.roundUp(width);
    int g = Slab.START;
    int u = Slab.after(g, padded);
    float[] m = Slab.ofThread(Slab.after(u, padded));
    boolean limited = o.limit() != Float.POSITIVE_INFINITY;
    for (int i = begin; i < end; i++) {
      Floats.read(o.gate().segment(), i * o.gate().stride(0), m, g, width);
      Floats.read(o.up().segment(), i * o.up().stride(0), m, u, width);
      for (int j = 0; j < padded; j += L) {
        FloatVector v = FloatVector.fromArray(F, m, g + j);
        FloatVector silu = v.div(Lanes.exp(v.neg()).add(1f));
        FloatVector factor = FloatVector.fromArray(F, m, u + j);
        if (limited) {
          silu = silu.min(o.limit());
          factor = factor.min(o.limit()).max(-o.limit());
        }
        silu.mul(factor).intoArray(m, g + j);
      }
      Floats.write(m, g, o.out().segment(), i * o.out().stride(0), width);
    }
  }

  static void gate(Gate o, int begin, int end) {
    int width = (int) o.x().dim(1);
    int count = (int) o.gates().dim(1);
    int part = width / count;
    int gates = Slab.START;
    int padded = Lanes.roundUp(count);
    int row = Slab.after(gates, padded);
    float[] m = Slab.ofThread(Slab.after(row, Lanes.roundUp(width)));
    for (int i = begin; i < end; i++) {
      Floats.read(o.x().segment(), i * o.x().stride(0), m, row, width);
      Floats.read(o.gates().segment(), i * o.gates().stride(0), m, gates, count);
      if (o.function() == Gate.Function.SIGMOID) {
        for (int g = 0; g < padded; g += L) {
          FloatVector v = FloatVector.fromArray(F, m, gates + g);
          FloatVector.broadcast(F, 1f).div(Lanes.exp(v.neg()).add(1f)).intoArray(m, gates + g);
        }
      } else if (o.function() == Gate.Function.RELU) {
        for (int g = gates; g < gates + count; g++) {
          m[g] = Math.max(m[g], 0);
        }
      }
      multiply(m, row, gates, part, count);
      Floats.write(m, row, o.out().segment(), i * o.out().stride(0), width);
    }
  }

  /** Each part of the row at {@code row} times its number at {@code gates}. */
  private static void multiply(float[] m, int row, int gates, int part, int count) {
    if (part == 1) {
      for (int j = 0; j < count; j += L) {
        FloatVector v = FloatVector.fromArray(F, m, row + j);
        v.mul(FloatVector.fromArray(F, m, gates + j)).intoArray(m, row + j);
      }
      return;
    }
    for (int g = 0; g < count; g++) {
      float factor = m[gates + g];
      int end = row + (g + 1) * part;
      int j = row + g * part;
      for (; j + L <= end; j += L) {
        FloatVector.fromArray(F, m, j).mul(factor).intoArray(m, j);
      }
      for (; j < end; j++) {
        m[j] *= factor;
      }
    }
  }
}
