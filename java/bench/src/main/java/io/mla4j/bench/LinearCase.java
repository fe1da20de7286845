package io.mla4j.bench;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.Codes;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Int8;
import io.mla4j.ops.Linear;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.testkit.Rounding;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/** Rows by one matrix: y = x W^T, with weights as a mapped file has them. */
final class LinearCase extends CpuCase {
  private static final double F32_TOLERANCE = 2e-6;

  private final LinearGrid.Size size;
  private final int rows;
  private final ComputeType compute;
  private final StorageFormat type;
  private final boolean cold;
  private final DataPool pool;
  private final Arena arena = Arena.ofShared();
  private final Tensor x;
  private final Tensor y;
  private final PoolWeights weights;
  private Weight weight;

  /** With each piece of the pool, made when its turn comes first. */
  private final BoundOperation[] bound;

  LinearCase(
      CpuDevice device,
      LinearGrid.Size size,
      int rows,
      ComputeType compute,
      StorageFormat type,
      AttentionGrid.Residency residency,
      DataPool pool) {
    super(axes(device, size, rows, compute, type, residency), work(size, rows, type), device);
    this.size = size;
    this.rows = rows;
    this.compute = compute;
    this.type = type;
    this.pool = pool;
    cold = residency == AttentionGrid.Residency.COLD;
    x = RandomNumbers.floats(device, arena, 1, rows, size.k());
    y = RandomNumbers.floats(device, arena, 0, rows, size.n());
    weights = new PoolWeights(device, arena, pool, type);
    weight = piece(0);
    bound = new BoundOperation[cold ? pool.pieces(weightBytes(size, type)) : 1];
  }

  static long weightBytes(LinearGrid.Size size, StorageFormat type) {
    return type.bytes((long) size.k() * size.n());
  }

  static Work work(LinearGrid.Size size, int rows, StorageFormat type) {
    return new Work(2L * rows * size.k() * size.n(), weightBytes(size, type), 0);
  }

  static Axes axes(
      CpuDevice device,
      LinearGrid.Size size,
      int rows,
      ComputeType compute,
      StorageFormat type,
      AttentionGrid.Residency residency) {
    return Axes.of(rows == 1 ? "gemv" : "gemm")
        .on(device)
        .with(Axis.TOKENS, rows)
        .with(Axis.COMPUTE, compute)
        .with(Axis.RESIDENCY, residency)
        .with(Axis.SHAPE, size + " " + AttentionSpec.lower(type));
  }

  private Weight piece(int i) {
    return weights.at(i * weightBytes(size, type), size.n(), size.k());
  }

  @Override
  void run() {
    int i = cold ? pool.nextPiece(weightBytes(size, type)) : 0;
    if (bound[i] == null || cold) {
      weight = piece(i);
    }
    if (bound[i] == null) {
      bound[i] = device.bind(Linear.of(x, weight, compute, y));
    }
    bound[i].run();
  }

  @Override
  boolean isBoundByMemory() {
    return rows == 1 && cold;
  }

  @Override
  void verify() {
    run();
    float[] elements = new float[size.k()];
    for (int i : AttentionCheck.some(rows)) {
      Floats.read(x.segment(), i * x.stride(0), elements, 0, size.k());
      double[] row = entering(elements);
      for (int n : AttentionCheck.some(size.n())) {
        weight.widen(n, 0, elements, 0, size.k());
        double expected = 0;
        double squares = 0;
        for (int j = 0; j < row.length; j++) {
          double term = row[j] * elements[j];
          expected += term;
          squares += term * term;
        }
        double actual = y.segment().getAtIndex(ValueLayout.JAVA_FLOAT, i * y.stride(0) + n);
        double allowed =
            F32_TOLERANCE * Math.sqrt(size.k()) * Math.max(Math.abs(expected), Math.sqrt(squares));
        if (!(Math.abs(actual - expected) <= allowed)) {
          throw new BenchException(
              "the result of "
                  + label()
                  + " is wrong: y["
                  + i
                  + ", "
                  + n
                  + "] is "
                  + actual
                  + " instead of "
                  + expected);
        }
      }
    }
  }

  /** A row of activations as it enters the product. */
  private double[] entering(float[] elements) {
    double[] row = new double[elements.length];
    boolean codes = weight.multipliesCodes(compute);
    Codes rounded = new Codes().reserve(row.length);
    if (codes) {
      Int8.round(elements, 0, row.length, rounded, 0);
    }
    for (int j = 0; j < row.length; j++) {
      if (codes) {
        row[j] = (double) rounded.scales()[j / Int8.BLOCK] * rounded.codes()[j];
      } else {
        row[j] = compute.roundsToBf16() ? Rounding.bf16(elements[j]) : elements[j];
      }
    }
    return row;
  }

  @Override
  public void close() {
    arena.close();
  }
}
