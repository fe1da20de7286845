package io.mla4j.testkit;

import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Packing and multiplying: x W^T + bias, rows in order or gathered. */
final class LinearCase implements OperationCase {
  /** Of as many results, one is as large as its terms. */
  static final int FEW = 64;

  private final ComputeType compute;
  private final StoredWeight.Kind kind;
  private final int rows;
  private final int sourceRows;
  private final int k;
  private final int n;
  private final float[] x;
  private final int[] indices;
  private final StoredWeight w;
  private final float[] bias;
  private List<Expectation> expected;

  LinearCase(CaseRandom r) {
    compute = r.of(ComputeType.values());
    kind = StoredWeight.Kind.any(r);
    rows = r.oneIn(3) ? 1 : r.size(1, r.oneIn(6) ? 200 : 40);
    // A few large ones: several blocks of every dimension.
    int work = r.oneIn(20) ? 12_000_000 : 1_000_000;
    k = r.size(1, Math.clamp(work / 25 / rows, 16, r.oneIn(8) ? 3000 : 700));
    n = r.size(1, Math.clamp(work / (rows * k), 8, 200));
    boolean gathered = r.oneIn(4);
    sourceRows = gathered ? r.between(1, 2 * rows) : rows;
    double size = r.oneIn(4) ? 0.1 : 1;
    x = r.normals(sourceRows * k, size);
    indices = gathered ? new int[rows] : null;
    for (int i = 0; gathered && i < rows; i++) {
      indices[i] = r.between(0, sourceRows - 1);
    }
    w = StoredWeight.random(r, kind, n, k, r.oneIn(4) ? 0.02 : 1);
    bias = r.oneIn(3) ? r.normals(n, 1) : null;
  }

  private LinearCase(LinearCase all, int row) {
    compute = all.compute;
    kind = all.kind;
    rows = 1;
    sourceRows = 1;
    k = all.k;
    n = all.n;
    int from = all.indices == null ? row : all.indices[row];
    x = java.util.Arrays.copyOfRange(all.x, from * k, (from + 1) * k);
    indices = null;
    w = all.w;
    bias = all.bias;
  }

  @Override
  public String shape() {
    return compute
        + " rows "
        + rows
        + (indices == null ? "" : " of " + sourceRows)
        + ", k "
        + k
        + ", n "
        + n
        + ", weight "
        + kind
        + (bias == null ? "" : ", bias");
  }

  @Override
  public boolean ofDevices() {
    return kind.ofDevices() && compute != ComputeType.INT8;
  }

  @Override
  public boolean hasOneResult() {
    return compute == ComputeType.INT8 && w.isQuantised();
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public OperationCase row(int i) {
    return new LinearCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    if (expected == null) {
      double[] source = Oracle.entering(x, k, compute, w.isQuantised());
      double[] in = new double[rows * k];
      for (int i = 0; i < rows; i++) {
        System.arraycopy(source, (indices == null ? i : indices[i]) * k, in, i * k, k);
      }
      double[] weight = Oracle.widen(w.values, false);
      double[] y = Oracle.linear(in, rows, k, weight, n, bias);
      double size = y.length < FEW ? Oracle.linearSize(in, rows, k, weight, n) : 0;
      expected = List.of(Expectation.float32("y", y, k, size));
    }
    return expected;
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, cuts.random(), StorageFormat.F32, sourceRows, 1, k).fill(x);
      StoredWeight.Placed weight = w.place(memory, cuts.random());
      Grid out = Grid.any(memory, cuts.random(), StorageFormat.F32, rows, 1, n);
      MemorySegment gather =
          indices == null
              ? MemorySegment.NULL
              : Grid.dense(memory, StorageFormat.I32, 1, 1, rows).fill(indices).segment;
      MemorySegment added =
          bias == null
              ? MemorySegment.NULL
              : Grid.dense(memory, StorageFormat.F32, 1, 1, n).fill(bias).segment;
      MatrixProduct product =
          new MatrixProduct()
              .with(compute, weight.weight, added)
              .from(in.segment, in.aStride, gather, rows)
              .to(out.segment, out.aStride);
      TileKernel pack = kernels.bind(new Pack(product));
      TileKernel multiply = kernels.bind(new Multiply(product));
      pack.prepare();
      multiply.prepare();
      MemorySegment packed = memory.allocate(pack.workspaceBytes(), 64);
      for (Cuts.Range r : cuts.ranges(rows, 16)) {
        pack.run(new Tile().rows(r.begin(), r.end()).workspace(packed));
      }
      for (Cuts.Range r : cuts.ranges(n, 1)) {
        if (!cuts.skips()) {
          out.ask(0, rows, 0, 1, r.begin(), r.end());
          multiply.run(new Tile().rows(r.begin(), r.end()).workspace(packed));
        }
      }
      in.requireUnchanged("x");
      weight.requireUnchanged("weight");
      memory.verify();
      return List.of(out.read("y"));
    }
  }
}
