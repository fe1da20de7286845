package io.mla4j.testkit;

import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Subtract;
import io.mla4j.spi.Kernels;
import java.util.List;

/** {@code subtract}. */
final class SubtractCase implements OperationCase {
  private final int rows;
  private final int width;
  private final float scale;
  private final float[] x;
  private final float[] residual;

  SubtractCase(CaseRandom r) {
    rows = r.size(1, 20);
    width = r.size(1, 300);
    scale = r.of(1f, 0.5f, 1.75f);
    x = r.normals(rows * width, 1);
    residual = r.normals(rows * width, 1);
  }

  @Override
  public String shape() {
    return "rows " + rows + ", width " + width + ", scale " + scale;
  }

  @Override
  public List<Expectation> expected() {
    double[] y = new double[x.length];
    double[] allowed = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = x[i] - (double) scale * residual[i];
      allowed[i] = 0x1p-23 * (Math.abs(x[i]) + Math.abs(scale * residual[i]));
    }
    return List.of(Expectation.within("y", y, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(x);
      Grid by = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(residual);
      Grid out = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width);
      Subtract operation = new Subtract(in.matrix(), by.matrix(), scale, out.matrix());
      OperationCase.runRows(kernels, cuts, operation, (from, to) -> out.ask(from, to, 0, 1));
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
