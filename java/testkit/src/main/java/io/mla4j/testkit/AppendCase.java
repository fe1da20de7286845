package io.mla4j.testkit;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.util.Arrays;
import java.util.List;

/**
 * {@code append}: norm, rotation, rounding and writing of new rows, padding as zeros, nothing else
 * touched.
 */
final class AppendCase implements OperationCase {
  private final LatentLayout layout;
  private final int tokens;
  private final int position;
  private final int pageSize;
  private final RopeLayout ropeLayout;
  private final float eps;
  private final float[] a;
  private final float[] norm;
  private final float[] cosines;
  private final float[] sines;

  AppendCase(CaseRandom r) {
    layout =
        new LatentLayout(
            Pages.randomLatent(r, 512),
            Pages.randomRope(r),
            r.of(CacheType.all().toArray(CacheType[]::new)));
    tokens = r.oneIn(3) ? 1 : r.size(1, 40);
    position = r.oneIn(3) ? 0 : r.between(0, 300);
    pageSize = Pages.randomPageSize(r);
    ropeLayout = r.of(RopeLayout.values());
    eps = r.of(1e-6f, 1e-5f, 1e-2f);
    a = r.normals(tokens * (layout.latent() + layout.rope()), r.of(1.0, 0.1, 10.0));
    norm = r.oneIn(4) ? null : r.normals(layout.latent(), 1);
    cosines = new float[tokens * layout.rope() / 2];
    sines = new float[cosines.length];
    for (int i = 0; i < cosines.length; i++) {
      double angle = r.uniform(-Math.PI, Math.PI);
      cosines[i] = (float) Math.cos(angle);
      sines[i] = (float) Math.sin(angle);
    }
  }

  private AppendCase(AppendCase all, int token) {
    layout = all.layout;
    tokens = 1;
    position = all.position + token;
    pageSize = all.pageSize;
    ropeLayout = all.ropeLayout;
    eps = all.eps;
    norm = all.norm;
    int width = layout.latent() + layout.rope();
    int pairs = layout.rope() / 2;
    a = Arrays.copyOfRange(all.a, token * width, (token + 1) * width);
    cosines = Arrays.copyOfRange(all.cosines, token * pairs, (token + 1) * pairs);
    sines = Arrays.copyOfRange(all.sines, token * pairs, (token + 1) * pairs);
  }

  @Override
  public String shape() {
    return "tokens "
        + tokens
        + " at "
        + position
        + ", latent "
        + layout.latent()
        + ", rope "
        + layout.rope()
        + " "
        + ropeLayout
        + ", cache "
        + layout.type()
        + ", page "
        + pageSize
        + (norm == null ? "" : ", norm");
  }

  @Override
  public int rows() {
    return tokens;
  }

  @Override
  public OperationCase row(int i) {
    return new AppendCase(this, i);
  }

  @Override
  public boolean ofDevices() {
    return !layout.type().hasScales();
  }

  @Override
  public List<Expectation> expected() {
    int latent = layout.latent();
    int rope = layout.rope();
    int width = Pages.rowElements(layout);
    double[] rows = new double[tokens * width];
    double[] allowed = new double[rows.length];
    for (int t = 0; t < tokens; t++) {
      int from = t * (latent + rope);
      if (norm == null) {
        for (int i = 0; i < latent; i++) {
          rows[t * width + i] = a[from + i];
        }
      } else {
        Oracle.rmsNorm(a, from, latent, norm, eps, rows, t * width);
      }
      int key = t * width + layout.ropeOffset();
      Oracle.rotate(
          a,
          from + latent,
          rope,
          ropeLayout,
          new Oracle.Angles(cosines, sines, t * rope / 2),
          rows,
          key);
      double[] error = new double[width];
      for (int i = 0; i < width; i++) {
        int at = t * width + i;
        boolean rotated = i >= layout.ropeOffset();
        double size = rotated ? largest(a, from + latent, rope) : Math.abs(rows[at]);
        boolean exact = norm == null && !rotated || rows[at] == 0;
        error[i] = exact ? 0 : 4e-7 * size;
      }
      storeRow(rows, allowed, error, t * width);
    }
    return List.of(Expectation.within("cache", rows, allowed));
  }

  private static double largest(float[] a, int at, int n) {
    double largest = 0;
    for (int i = at; i < at + n; i++) {
      largest = Math.max(largest, Math.abs(a[i]));
    }
    return largest;
  }

  /** A padded row from element {@code row} on, as the cache type holds it. */
  private void storeRow(double[] rows, double[] allowed, double[] error, int row) {
    int first = 0;
    if (layout.type().hasScales()) {
      StoredRows stored = new StoredRows(layout);
      double[] latents = Arrays.copyOfRange(rows, row, row + layout.latent());
      double[] slack = new double[latents.length];
      int columns = layout.type().scaleColumns();
      for (int begin = 0; begin < latents.length; begin += columns) {
        stored.storeGroup(latents, slack, error, begin, Math.min(latents.length, begin + columns));
      }
      System.arraycopy(latents, 0, rows, row, latents.length);
      System.arraycopy(slack, 0, allowed, row, slack.length);
      first = latents.length;
    }
    for (int i = first; i < error.length; i++) {
      store(rows, allowed, row + i, error[i]);
    }
  }

  /** The nearest stored number, or its neighbour where the float32 error may cross the middle. */
  private void store(double[] rows, double[] allowed, int at, double error) {
    if (layout.type().ropeFormat() == StorageFormat.F32) {
      allowed[at] = error;
      return;
    }
    double low = Rounding.bf16(rows[at] - error);
    double high = Rounding.bf16(rows[at] + error);
    rows[at] = Rounding.bf16(rows[at]);
    allowed[at] = Math.max(high - rows[at], rows[at] - low);
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    int width = Pages.rowElements(layout);
    CaseRandom random = cuts.random();
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in =
          Grid.any(memory, random, StorageFormat.F32, tokens, 1, layout.latent() + layout.rope())
              .fill(a);
      Pages pages = new Pages(memory, random, layout, pageSize, position + tokens);
      Tensor weight =
          norm == null
              ? null
              : Grid.dense(memory, StorageFormat.F32, 1, 1, norm.length).fill(norm).vector();
      Grid cos = Grid.dense(memory, StorageFormat.F32, tokens, 1, layout.rope() / 2).fill(cosines);
      Grid sin = Grid.dense(memory, StorageFormat.F32, tokens, 1, layout.rope() / 2).fill(sines);
      Rotation rotation = new Rotation(cos.matrix(), sin.matrix(), ropeLayout);
      AppendTile append = new AppendTile(new AppendLatent(0, in.matrix(), weight, eps, rotation));
      append.pages(pages.params, pages.cache, pages.table);
      append.tokens(0, tokens, position);
      TileKernel kernel = kernels.bind(append);
      kernel.prepare();
      boolean[] written = new boolean[position + tokens];
      boolean[] asked = new boolean[tokens * width];
      for (Cuts.Range t : cuts.ranges(tokens, 1)) {
        if (!cuts.skips()) {
          Arrays.fill(written, position + t.begin(), position + t.end(), true);
          Arrays.fill(asked, t.begin() * width, t.end() * width, true);
          kernel.run(new Tile().rows(t.begin(), t.end()));
        }
      }
      in.requireUnchanged("latentAndKey");
      pages.requirePoisonBut(written);
      memory.verify();
      float[] rows = new float[tokens * width];
      for (int t = 0; t < tokens; t++) {
        System.arraycopy(pages.row(position + t), 0, rows, t * width, width);
      }
      return List.of(new Output("cache", rows, asked));
    }
  }
}
