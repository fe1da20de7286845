package io.mla4j.testkit;

import io.mla4j.ops.LayerNorm;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/** {@code layerNorm}: rows of numbers about a mean, the result in an array of its own or over x. */
final class LayerNormCase implements OperationCase {
  private final int rows;
  private final int width;
  private final boolean over;
  private final float eps;
  private final float[] x;
  private final float[] weight;
  private final float[] bias;

  LayerNormCase(CaseRandom r) {
    rows = r.oneIn(3) ? 1 : r.size(1, 40);
    width = r.size(1, 600);
    over = r.oneIn(2);
    eps = r.of(1e-6f, 1e-5f, 1e-2f);
    x = r.normals(rows * width, r.of(1.0, 0.1, 30.0));
    float mean = r.of(0f, 1f, -3f);
    for (int i = 0; i < x.length; i++) {
      x[i] += mean;
    }
    weight = r.normals(width, 1);
    bias = r.normals(width, r.of(1.0, 0.1));
  }

  private LayerNormCase(LayerNormCase all, int row) {
    rows = 1;
    width = all.width;
    over = all.over;
    eps = all.eps;
    x = Arrays.copyOfRange(all.x, row * width, (row + 1) * width);
    weight = all.weight;
    bias = all.bias;
  }

  @Override
  public String shape() {
    return "rows " + rows + ", width " + width + ", eps " + eps + (over ? ", over x" : "");
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public OperationCase row(int i) {
    return new LayerNormCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] y = new double[rows * width];
    double[] allowed = new double[y.length];
    for (int at = 0; at < y.length; at += width) {
      double mean = 0;
      double size = 0;
      for (int i = at; i < at + width; i++) {
        mean += x[i] / (double) width;
        size = Math.max(size, Math.abs(x[i]));
      }
      double variance = 0;
      for (int i = at; i < at + width; i++) {
        variance += (x[i] - mean) * (x[i] - mean) / width;
      }
      double factor = 1 / Math.sqrt(variance + eps);
      for (int i = 0; i < width; i++) {
        double normed = weight[i] * (x[at + i] - mean) * factor;
        y[at + i] = normed + bias[i];
        // The mean and the differences from it have errors of the size of x.
        double scale = Math.abs(normed) + Math.abs(bias[i]) + Math.abs(weight[i]) * size * factor;
        allowed[at + i] = 2e-6 * scale;
      }
    }
    return List.of(Expectation.within("y", y, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(x);
      Grid w = Grid.dense(memory, StorageFormat.F32, 1, 1, width).fill(weight);
      Grid b = Grid.dense(memory, StorageFormat.F32, 1, 1, width).fill(bias);
      Grid out = over ? in : Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width);
      LayerNorm operation = new LayerNorm(in.matrix(), w.vector(), b.vector(), eps, out.matrix());
      OperationCase.runRows(kernels, cuts, operation, (from, to) -> out.ask(from, to, 0, 1));
      if (!over) {
        in.requireUnchanged("x");
      }
      w.requireUnchanged("weight");
      b.requireUnchanged("bias");
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
