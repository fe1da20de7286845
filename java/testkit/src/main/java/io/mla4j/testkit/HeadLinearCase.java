package io.mla4j.testkit;

import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** {@code headLinear}: W_UK^T q or W_UV u, one matrix a head. */
final class HeadLinearCase implements OperationCase {
  private final ComputeType compute;
  private final StorageFormat type;
  private final int tokens;
  private final int heads;
  private final int in;
  private final int out;
  private final boolean transposed;
  private final float[] x;
  private final float[] w;
  private List<Expectation> expected;

  HeadLinearCase(CaseRandom r) {
    compute = r.of(ComputeType.values());
    type = r.of(StorageFormat.F32, StorageFormat.BF16, StorageFormat.F16);
    heads = r.size(1, 128);
    tokens = r.oneIn(3) ? 1 : r.size(1, 24);
    int budget = 1_500_000 / heads;
    in = r.size(1, Math.min(512, budget / 8));
    out = r.size(1, Math.clamp(budget / (in * Math.min(tokens, 8)), 1, 512));
    transposed = r.oneIn(2);
    x = r.normals(tokens * heads * in, r.oneIn(4) ? 0.1 : 1);
    w = r.normals(heads * in * out, r.oneIn(3) ? 1 : 0.05);
    for (int i = 0; i < w.length; i++) {
      w[i] = Rounding.stored(type, w[i]);
    }
  }

  private HeadLinearCase(HeadLinearCase all, int token) {
    compute = all.compute;
    type = all.type;
    tokens = 1;
    heads = all.heads;
    in = all.in;
    out = all.out;
    transposed = all.transposed;
    x = Arrays.copyOfRange(all.x, token * heads * in, (token + 1) * heads * in);
    w = all.w;
  }

  @Override
  public String shape() {
    return compute
        + " tokens "
        + tokens
        + ", heads "
        + heads
        + ", in "
        + in
        + ", out "
        + out
        + (transposed ? ", transposed" : "")
        + ", weight "
        + type;
  }

  @Override
  public int rows() {
    return tokens;
  }

  @Override
  public OperationCase row(int i) {
    return new HeadLinearCase(this, i);
  }

  @Override
  public List<Expectation> expected() {
    if (expected == null) {
      double[] widened = Oracle.widen(x, compute == ComputeType.BF16);
      double[] weight = Oracle.widen(w, false);
      double[] y = Oracle.headLinear(widened, tokens, heads, in, out, weight, transposed);
      double size =
          y.length < LinearCase.FEW
              ? Oracle.headLinearSize(widened, tokens, heads, in, out, weight, transposed)
              : 0;
      expected = List.of(Expectation.float32("y", y, in, size));
    }
    return expected;
  }

  @Override
  public List<Output> run(TileKernels kernels, Cuts cuts) {
    int rows = transposed ? in : out;
    int columns = transposed ? out : in;
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid from = Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, heads, in).fill(x);
      // kv_b interleaves the rows of W_UK and W_UV: rows of a head are neighbours, heads are apart.
      Grid weight = Grid.headRows(memory, cuts.random(), type, heads, rows, columns).fill(w);
      Grid to = Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, heads, out);
      HeadLinearParams params =
          new HeadLinearParams(
              compute,
              type,
              tokens,
              heads,
              in,
              out,
              transposed,
              0,
              0,
              from.aStride,
              from.bStride,
              to.aStride,
              to.bStride,
              weight.aStride,
              weight.bStride);
      for (Cuts.Range h : cuts.ranges(heads, 1)) {
        for (Cuts.Range t : cuts.ranges(tokens, 1)) {
          if (!cuts.skips()) {
            to.ask(t.begin(), t.end(), h.begin(), h.end());
            kernels.headLinear(
                params,
                from.segment,
                weight.segment,
                MemorySegment.NULL,
                h.begin(),
                h.end(),
                t.begin(),
                t.end(),
                to.segment);
          }
        }
      }
      from.requireUnchanged("x");
      weight.requireUnchanged("weight");
      memory.verify();
      return List.of(to.read("y"));
    }
  }
}
