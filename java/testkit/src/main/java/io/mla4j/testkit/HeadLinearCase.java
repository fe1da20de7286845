package io.mla4j.testkit;

import io.mla4j.ComputeType;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Expand;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.util.Arrays;
import java.util.List;

/** Absorb or Expand: W_UK^T q or W_UV u, one matrix a head. */
final class HeadLinearCase implements OperationCase {
  private final ComputeType compute;
  private final StorageFormat type;
  private final int tokens;
  private final int heads;
  private final int in;
  private final int out;
  private final boolean transposed;

  /** Rows of a head of the other matrix of kv_b, between those of this one. */
  private final int otherRows;

  /** The rotated part, which somebody else copies. */
  private final int rope;

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
    otherRows = r.size(1, 16);
    rope = transposed ? 2 * r.between(0, 4) : 0;
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
    otherRows = all.otherRows;
    rope = all.rope;
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
      double[] allowed = new double[tokens * heads * (out + rope)];
      double bound = Expectation.float32(y, in, size);
      Arrays.fill(allowed, bound);
      expected = List.of(Expectation.within("y", spread(y, out, out + rope), allowed));
    }
    return expected;
  }

  /** Rows of {@code width} numbers at the start of rows of {@code wide}. */
  private static double[] spread(double[] dense, int width, int wide) {
    double[] spread = new double[dense.length / width * wide];
    for (int i = 0; i < dense.length / width; i++) {
      System.arraycopy(dense, i * width, spread, i * wide, width);
    }
    return spread;
  }

  /** kv_b: the rows of each head's matrix, before or after NaN in those of the other one. */
  private float[] kvB(int rows, int columns) {
    float[] all = new float[heads * (rows + otherRows) * columns];
    Arrays.fill(all, Float.NaN);
    for (int h = 0; h < heads; h++) {
      int first = h * (rows + otherRows) + (transposed ? 0 : otherRows);
      System.arraycopy(w, h * rows * columns, all, first * columns, rows * columns);
    }
    return all;
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    int rows = transposed ? in : out;
    int columns = transposed ? out : in;
    float[] input = new float[tokens * heads * (in + rope)];
    Arrays.fill(input, Float.NaN);
    for (int i = 0; i < tokens * heads; i++) {
      System.arraycopy(x, i * in, input, i * (in + rope), in);
    }
    try (GuardedMemory memory = new GuardedMemory()) {
      CaseRandom random = cuts.random();
      Grid from = Grid.any(memory, random, StorageFormat.F32, tokens, heads, in + rope).fill(input);
      Grid weight =
          Grid.any(memory, random, type, heads * (rows + otherRows), 1, columns)
              .fill(kvB(rows, columns));
      Grid to = Grid.any(memory, random, StorageFormat.F32, tokens, heads, out + rope);
      LatentUp up = LatentUp.fused(Weight.of(weight.matrix()));
      TileKernel kernel =
          kernels.bind(
              transposed
                  ? new Absorb(from.cube(), up, compute, to.cube())
                  : new Expand(from.cube(), up, compute, to.cube()));
      kernel.prepare();
      for (Cuts.Range h : cuts.ranges(heads, 1)) {
        for (Cuts.Range t : cuts.ranges(tokens, 1)) {
          if (!cuts.skips()) {
            to.ask(t.begin(), t.end(), h.begin(), h.end(), 0, out);
            kernel.run(new Tile().rows(t.begin(), t.end()).heads(h.begin(), h.end()));
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
