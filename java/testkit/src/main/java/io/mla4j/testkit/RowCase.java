package io.mla4j.testkit;

import io.mla4j.ops.Add;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.RowOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/**
 * {@code rmsNorm}, {@code swiglu} and {@code add}: rows of numbers, the result in an array of its
 * own or over an input.
 */
final class RowCase implements OperationCase {
  /** Which of the three. */
  enum Kind {
    RMS_NORM,
    SWIGLU,
    ADD
  }

  private final Kind kind;
  private final int rows;
  private final int width;

  /** 0: the result is apart; 1: over the first input; 2: over the second one. */
  private final int over;

  private final float number;
  private final float[] x;
  private final float[] second;

  RowCase(CaseRandom r, Kind kind) {
    this.kind = kind;
    rows = r.oneIn(3) ? 1 : r.size(1, 40);
    width = r.size(1, r.oneIn(8) ? 4096 : 600);
    over = r.between(0, kind == Kind.RMS_NORM ? 1 : 2);
    x = r.normals(rows * width, r.of(1.0, 0.1, 30.0));
    second = r.normals(kind == Kind.RMS_NORM ? width : rows * width, r.of(1.0, 0.1));
    number =
        switch (kind) {
          case RMS_NORM -> r.of(1e-6f, 1e-5f, 1e-2f);
          case SWIGLU ->
              r.oneIn(2) ? Float.POSITIVE_INFINITY : r.of(1f, 7f, (float) r.uniform(0.01, 3));
          case ADD -> r.of(1f, 1f, (float) r.uniform(-2, 2));
        };
    if (kind == Kind.RMS_NORM && r.oneIn(10)) {
      Arrays.fill(x, 0, width, 0);
    }
    if (kind == Kind.SWIGLU && r.oneIn(4)) {
      // exp(-gate) is infinite, zero or subnormal here.
      float[] extremes = {0, -0f, 88, -88, 89, -89, 104, -104, 1e6f, -1e6f, 1e-30f};
      for (int i = 0; i < x.length; i += 3) {
        x[i] = extremes[r.between(0, extremes.length - 1)];
      }
    }
  }

  private RowCase(RowCase all, int row) {
    kind = all.kind;
    rows = 1;
    width = all.width;
    over = all.over;
    number = all.number;
    x = Arrays.copyOfRange(all.x, row * width, (row + 1) * width);
    second =
        kind == Kind.RMS_NORM
            ? all.second
            : Arrays.copyOfRange(all.second, row * width, (row + 1) * width);
  }

  @Override
  public String shape() {
    return "rows "
        + rows
        + ", width "
        + width
        + (over == 0 ? "" : ", over input " + over)
        + switch (kind) {
          case RMS_NORM -> ", eps ";
          case SWIGLU -> ", limit ";
          case ADD -> ", scale ";
        }
        + number;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public boolean ofDevices() {
    return kind != Kind.SWIGLU || number == Float.POSITIVE_INFINITY;
  }

  @Override
  public OperationCase row(int i) {
    return new RowCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    double[] y = new double[rows * width];
    double[] allowed = new double[y.length];
    for (int i = 0; kind == Kind.RMS_NORM && i < rows; i++) {
      Oracle.rmsNorm(x, i * width, width, second, number, y, i * width);
    }
    for (int i = 0; i < y.length; i++) {
      switch (kind) {
        case RMS_NORM -> allowed[i] = 2e-6 * Math.abs(y[i]);
        case SWIGLU -> {
          y[i] = Oracle.swiglu(x[i], second[i], number);
          allowed[i] = 2e-6 * Math.abs(y[i]) + 1e-30;
        }
        case ADD -> {
          double product = (double) number * second[i];
          y[i] = x[i] + product;
          allowed[i] = 1.5e-7 * (Math.abs(x[i]) + Math.abs(product));
        }
      }
    }
    return List.of(Expectation.within("y", y, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    boolean vector = kind == Kind.RMS_NORM;
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid a = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(x);
      Grid b =
          vector
              ? Grid.dense(memory, StorageFormat.F32, 1, 1, width).fill(second)
              : Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width).fill(second);
      Grid out =
          switch (over) {
            case 1 -> a;
            case 2 -> b;
            default -> Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, width);
          };
      Tensor x = a.matrix();
      RowOperation operation =
          switch (kind) {
            case RMS_NORM -> new RmsNorm(x, b.vector(), number, out.matrix());
            case SWIGLU -> new SwiGlu(x, b.matrix(), number, out.matrix());
            case ADD -> new Add(x, b.matrix(), number, out.matrix());
          };
      OperationCase.runRows(kernels, cuts, operation, (from, to) -> out.ask(from, to, 0, 1));
      if (over != 1) {
        a.requireUnchanged("the first input");
      }
      if (over != 2) {
        b.requireUnchanged("the second input");
      }
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
