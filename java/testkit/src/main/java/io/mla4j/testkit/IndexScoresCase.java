package io.mla4j.testkit;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.util.Arrays;
import java.util.List;

/** {@code indexScores}: weighted positive parts of dot products with the keys that are seen. */
final class IndexScoresCase implements OperationCase {
  private final LatentLayout layout;
  private final int heads;
  private final int queries;
  private final int kv;
  private final int pageSize;
  private final float[] q;
  private final float[] weights;
  private final float[] keys;

  IndexScoresCase(CaseRandom r) {
    layout =
        new LatentLayout(
            r.oneIn(3) ? 128 : r.size(1, 160), 0, r.of(CacheType.all().toArray(CacheType[]::new)));
    heads = r.oneIn(3) ? r.of(16, 32, 64) : r.size(1, 80);
    queries = r.oneIn(3) ? 1 : r.size(1, 12);
    kv = queries + r.size(0, 200);
    pageSize = Pages.randomPageSize(r);
    q = r.normals(queries * heads * layout.latent(), 1);
    weights = r.normals(queries * heads, r.of(1.0, 0.1));
    keys = Pages.randomRows(r, layout, kv, 1);
  }

  private IndexScoresCase(IndexScoresCase all, int query) {
    layout = all.layout;
    heads = all.heads;
    queries = 1;
    kv = all.kv - all.queries + query + 1;
    pageSize = all.pageSize;
    int width = heads * layout.latent();
    q = Arrays.copyOfRange(all.q, query * width, (query + 1) * width);
    weights = Arrays.copyOfRange(all.weights, query * heads, (query + 1) * heads);
    keys = Arrays.copyOf(all.keys, kv * layout.latent());
  }

  @Override
  public String shape() {
    return "heads "
        + heads
        + ", queries "
        + queries
        + " of "
        + kv
        + " tokens, keys of "
        + layout
        + ", page "
        + pageSize;
  }

  /** Rows of scores are as long as the text, so that a row alone has others. */
  @Override
  public int rows() {
    return queries == 1 ? 1 : 0;
  }

  @Override
  public OperationCase row(int i) {
    return new IndexScoresCase(this, i);
  }

  private int visible(int query) {
    return kv - queries + query + 1;
  }

  @Override
  public List<Expectation> expected() {
    int width = layout.latent();
    double[] scores = new double[queries * kv];
    double[] allowed = new double[scores.length];
    for (int t = 0; t < queries; t++) {
      for (int s = 0; s < visible(t); s++) {
        double sum = 0;
        double size = 0;
        for (int j = 0; j < heads; j++) {
          double dot = 0;
          double terms = 0;
          for (int d = 0; d < width; d++) {
            double product = (double) q[(t * heads + j) * width + d] * keys[s * width + d];
            dot += product;
            terms += Math.abs(product);
          }
          double weight = weights[t * heads + j];
          sum += weight * Math.max(0, dot);
          size += Math.abs(weight) * terms;
        }
        scores[t * kv + s] = sum;
        allowed[t * kv + s] = 1e-6 * size;
      }
    }
    return List.of(Expectation.within("scores", scores, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    CaseRandom random = cuts.random();
    int width = layout.latent();
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in = Grid.any(memory, random, StorageFormat.F32, queries, heads, width).fill(q);
      Grid w = Grid.any(memory, random, StorageFormat.F32, queries, 1, heads).fill(weights);
      Pages pages = new Pages(memory, random, layout, pageSize, kv).fill(keys);
      Grid scores = Grid.any(memory, random, StorageFormat.F32, queries, 1, kv);
      ScoreTile tile = new ScoreTile(heads);
      tile.pages(pages.params, pages.cache, pages.table);
      tile.tokens(queries, kv);
      tile.queries(in.segment, in.aStride, in.bStride);
      tile.weights(w.segment, w.aStride);
      tile.scores(scores.segment, scores.aStride);
      TileKernel kernel = kernels.bind(tile);
      kernel.prepare();
      for (Cuts.Range t : cuts.ranges(queries, 1)) {
        for (Cuts.Range s : cuts.ranges(kv, 1)) {
          if (!cuts.skips()) {
            for (int i = t.begin(); i < t.end(); i++) {
              int end = Math.min(s.end(), visible(i));
              scores.ask(i, i + 1, 0, 1, s.begin(), Math.max(s.begin(), end));
            }
            kernel.run(
                new Tile()
                    .rows(t.begin(), t.end())
                    .keys(s.begin(), s.end(), 0)
                    .workspace(memory.allocate(kernel.workspaceBytes(), 64)));
          }
        }
      }
      in.requireUnchanged("q");
      w.requireUnchanged("weights");
      pages.requireUnchanged();
      memory.verify();
      return List.of(scores.read("scores"));
    }
  }
}
