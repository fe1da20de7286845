package io.mla4j.testkit;

import io.mla4j.ops.Gate;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/**
 * {@code gate}: a factor for a row, for each of its parts, or for each element; in place or not.
 */
final class GateCase implements OperationCase {
  private final int rows;
  private final int count;
  private final int part;
  private final Gate.Function function;
  private final boolean inPlace;
  private final float[] x;
  private final float[] gates;

  GateCase(CaseRandom r) {
    rows = r.oneIn(3) ? 1 : r.size(1, 40);
    count = r.oneIn(4) ? 1 : r.size(1, 200);
    part = r.oneIn(4) ? 1 : r.size(1, 140);
    function = r.of(Gate.Function.values());
    inPlace = r.oneIn(2);
    x = r.normals(rows * count * part, r.of(1.0, 0.1, 30.0));
    gates = r.normals(rows * count, r.of(1.0, 0.1, 10.0));
    if (r.oneIn(4)) {
      // exp(-gate) is infinite, zero or subnormal here.
      float[] extremes = {0, -0f, 88, -88, 89, -89, 104, -104, 1e6f, -1e6f, 1e-30f};
      for (int i = 0; i < gates.length; i += 3) {
        gates[i] = extremes[r.between(0, extremes.length - 1)];
      }
    }
  }

  private GateCase(GateCase all, int row) {
    rows = 1;
    count = all.count;
    part = all.part;
    function = all.function;
    inPlace = all.inPlace;
    x = Arrays.copyOfRange(all.x, row * count * part, (row + 1) * count * part);
    gates = Arrays.copyOfRange(all.gates, row * count, (row + 1) * count);
  }

  @Override
  public String shape() {
    return "rows "
        + rows
        + ", "
        + count
        + " parts of "
        + part
        + " "
        + function
        + (inPlace ? ", in place" : "");
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public OperationCase row(int i) {
    return new GateCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] y = new double[x.length];
    double[] allowed = new double[y.length];
    for (int i = 0; i < y.length; i++) {
      double g = gates[i / part];
      y[i] =
          x[i]
              * switch (function) {
                case IDENTITY -> g;
                case SIGMOID -> 1 / (1 + Math.exp(-g));
                case RELU -> Math.max(g, 0);
              };
      allowed[i] = 1e-6 * Math.abs(y[i]) + 1e-30;
    }
    return List.of(Expectation.within("y", y, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    int width = count * part;
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(x);
      Grid by = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, count).fill(gates);
      Grid out = inPlace ? in : Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width);
      Gate operation = new Gate(in.matrix(), by.matrix(), function, out.matrix());
      OperationCase.runRows(kernels, cuts, operation, (from, to) -> out.ask(from, to, 0, 1));
      by.requireUnchanged("gates");
      if (!inPlace) {
        in.requireUnchanged("x");
      }
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
