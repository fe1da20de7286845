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
  private final StoredWeight.Kind kind;
  private final int tokens;
  private final int heads;
  private final int in;
  private final int out;

  /** Absorb, or else Expand. */
  private final boolean absorbs;

  /** W_UK, transposed, and W_UV in matrices of their own. */
  private final boolean split;

  /** W_h is in x out. */
  private final boolean transposed;

  /** Rows of a head of the other matrix of latentUp, between those of this one. */
  private final int otherRows;

  /** The rotated part, which somebody else copies. */
  private final int rope;

  private final float[] x;

  /** Rows of each head, before or after those of the other matrix where both are in one. */
  private final StoredWeight w;

  private List<Expectation> expected;

  HeadLinearCase(CaseRandom r) {
    compute = r.of(ComputeType.values());
    kind = StoredWeight.Kind.any(r);
    heads = r.size(1, 128);
    tokens = r.oneIn(3) ? 1 : r.size(1, 24);
    int budget = 1_500_000 / heads;
    in = r.size(1, Math.min(512, budget / 8));
    out = r.size(1, Math.clamp(budget / (in * Math.min(tokens, 8)), 1, 512));
    absorbs = r.oneIn(2);
    split = r.oneIn(3);
    transposed = absorbs && !split;
    otherRows = r.size(1, 16);
    rope = absorbs ? 2 * r.between(0, 4) : 0;
    x = r.normals(tokens * heads * in, r.oneIn(4) ? 0.1 : 1);
    int all = matrixRows() + (split ? 0 : otherRows);
    StoredWeight both = StoredWeight.random(r, kind, heads * all, columns(), r.oneIn(3) ? 1 : 0.05);
    w = split ? both : both.poisoned(all, absorbs ? matrixRows() : 0, absorbs ? all : otherRows);
  }

  private HeadLinearCase(HeadLinearCase all, int token) {
    compute = all.compute;
    kind = all.kind;
    tokens = 1;
    heads = all.heads;
    in = all.in;
    out = all.out;
    absorbs = all.absorbs;
    split = all.split;
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
        + (absorbs ? ", absorb" : ", expand")
        + (split ? ", split" : "")
        + ", weight "
        + kind;
  }

  @Override
  public boolean ofDevices() {
    return kind.ofDevices() && !split && compute != ComputeType.INT8;
  }

  @Override
  public boolean hasOneResult() {
    return compute == ComputeType.INT8 && !transposed && w.isQuantised();
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
      double[] widened = Oracle.entering(x, in, compute, !transposed && w.isQuantised());
      double[] weight = Oracle.widen(ofHeads(), false);
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

  /** Rows of a head's matrix. */
  private int matrixRows() {
    return transposed ? in : out;
  }

  private int columns() {
    return transposed ? out : in;
  }

  /** (heads, rows, columns): the matrices of the heads alone. */
  private float[] ofHeads() {
    int size = matrixRows() * columns();
    int period = (matrixRows() + (split ? 0 : otherRows)) * columns();
    int first = split || absorbs ? 0 : otherRows * columns();
    float[] alone = new float[heads * size];
    for (int h = 0; h < heads; h++) {
      System.arraycopy(w.values, h * period + first, alone, h * size, size);
    }
    return alone;
  }

  /** The other matrix of two is never read. */
  private LatentUp up(GuardedMemory memory, Weight weight) {
    if (!split) {
      return LatentUp.fused(weight);
    }
    int latent = absorbs ? out : in;
    int otherMatrixRows = heads * (absorbs ? otherRows : latent);
    int otherColumns = absorbs ? latent : otherRows;
    Weight other =
        Weight.of(Grid.dense(memory, StorageFormat.F32, otherMatrixRows, 1, otherColumns).matrix());
    return absorbs ? LatentUp.split(weight, other) : LatentUp.split(other, weight);
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    float[] input = new float[tokens * heads * (in + rope)];
    Arrays.fill(input, Float.NaN);
    for (int i = 0; i < tokens * heads; i++) {
      System.arraycopy(x, i * in, input, i * (in + rope), in);
    }
    try (GuardedMemory memory = new GuardedMemory()) {
      CaseRandom random = cuts.random();
      Grid from = Grid.any(memory, random, StorageFormat.F32, tokens, heads, in + rope).fill(input);
      StoredWeight.Placed weight = w.place(memory, random);
      Grid to = Grid.any(memory, random, StorageFormat.F32, tokens, heads, out + rope);
      LatentUp up = up(memory, weight.weight);
      TileKernel kernel =
          kernels.bind(
              absorbs
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
