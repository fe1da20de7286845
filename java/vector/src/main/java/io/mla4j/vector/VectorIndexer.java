package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Floats;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Scores of keys by an indexer: heads are lanes, in groups of two vectors and at the end of one,
 * and an element of a key is broadcast.
 */
final class VectorIndexer {
  /** Keys that are widened at once: a multiple of every vector's lanes. */
  private static final int BLOCK = 32;

  private final ScoreTile s;
  private final int width;

  /** Heads in whole vectors. */
  private final int heads;

  // Places in the slab.
  private final int query; // [group][dimension][lane]
  private final int weights; // [head]
  private final int keys; // [key][dimension]
  private final int sums; // [key][lane]
  private final int head;
  private final float[] m;
  private final CachedRows cached = new CachedRows();

  private VectorIndexer(ScoreTile s) {
    this.s = s;
    width = s.width();
    heads = Lanes.roundUp(s.heads());
    query = Slab.START;
    weights = Slab.after(query, heads * width);
    keys = Slab.after(weights, heads);
    sums = Slab.after(keys, BLOCK * width);
    head = Slab.after(sums, BLOCK * L);
    m = Slab.ofThread(Slab.after(head, width));
    cached.set(m, s.cache(), s.pages(), s.pageTable());
  }

  static void score(ScoreTile s, Tile tile) {
    VectorIndexer indexer = new VectorIndexer(s);
    for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
      indexer.score(t, tile.keyBegin(), Math.min(tile.keyEnd(), s.visible(t)));
    }
  }

  private void score(int t, int first, int last) {
    if (first >= last) {
      return;
    }
    pack(t);
    for (int begin = first; begin < last; begin += BLOCK) {
      int n = Math.min(BLOCK, last - begin);
      cached.widen(begin, n, false, keys, width, width);
      Arrays.fill(m, keys + n * width, keys + (n + 3) / 4 * 4 * width, 0);
      Arrays.fill(m, sums, sums + BLOCK * L, 0);
      for (int g = 0; g < heads; ) {
        int q = query + g * width;
        int lanes = heads - g >= 2 * L ? 2 * L : L;
        for (int i = 0; i < n; i += 4) {
          if (lanes == L) {
            addOne(m, q, weights + g, keys + i * width, width, sums + i * L);
          } else {
            addTwo(m, q, weights + g, keys + i * width, width, sums + i * L);
          }
        }
        g += lanes;
      }
      Lanes.sumLanes(m, sums, BLOCK);
      Floats.write(m, sums, s.scores(), t * s.scoreStride() + begin, n);
    }
  }

  /** Heads behind the last one are zeros, and so are their weights. */
  private void pack(int t) {
    Arrays.fill(m, query, query + heads * width, 0);
    Arrays.fill(m, weights, weights + heads, 0);
    Floats.read(s.weights(), t * s.weightStride(), m, weights, s.heads());
    for (int h = 0; h < s.heads(); h++) {
      Floats.read(s.q(), t * s.qTokenStride() + h * s.qHeadStride(), m, head, width);
      int group = h / (2 * L) * (2 * L);
      int lanes = heads - group >= 2 * L ? 2 * L : L;
      int to = query + group * width + h - group;
      for (int d = 0; d < width; d++) {
        m[to + d * lanes] = m[head + d];
      }
    }
  }

  /** Two vectors of heads over four keys. */
  private static void addTwo(float[] m, int q, int w, int k, int width, int sums) {
    FloatVector a0 = FloatVector.zero(F);
    FloatVector b0 = a0;
    FloatVector a1 = a0;
    FloatVector b1 = a0;
    FloatVector a2 = a0;
    FloatVector b2 = a0;
    FloatVector a3 = a0;
    FloatVector b3 = a0;
    for (int d = 0; d < width; d++) {
      FloatVector x = FloatVector.fromArray(F, m, q + 2 * d * L);
      FloatVector y = FloatVector.fromArray(F, m, q + 2 * d * L + L);
      FloatVector k0 = FloatVector.broadcast(F, m[k + d]);
      FloatVector k1 = FloatVector.broadcast(F, m[k + width + d]);
      FloatVector k2 = FloatVector.broadcast(F, m[k + 2 * width + d]);
      FloatVector k3 = FloatVector.broadcast(F, m[k + 3 * width + d]);
      a0 = x.fma(k0, a0);
      b0 = y.fma(k0, b0);
      a1 = x.fma(k1, a1);
      b1 = y.fma(k1, b1);
      a2 = x.fma(k2, a2);
      b2 = y.fma(k2, b2);
      a3 = x.fma(k3, a3);
      b3 = y.fma(k3, b3);
    }
    FloatVector u = FloatVector.fromArray(F, m, w);
    FloatVector v = FloatVector.fromArray(F, m, w + L);
    add(m, sums, a0.max(0f), u, b0.max(0f), v);
    add(m, sums + L, a1.max(0f), u, b1.max(0f), v);
    add(m, sums + 2 * L, a2.max(0f), u, b2.max(0f), v);
    add(m, sums + 3 * L, a3.max(0f), u, b3.max(0f), v);
  }

  private static void add(
      float[] m, int at, FloatVector a, FloatVector u, FloatVector b, FloatVector v) {
    b.fma(v, a.fma(u, FloatVector.fromArray(F, m, at))).intoArray(m, at);
  }

  /** One vector of heads over four keys. */
  private static void addOne(float[] m, int q, int w, int k, int width, int sums) {
    FloatVector a0 = FloatVector.zero(F);
    FloatVector a1 = a0;
    FloatVector a2 = a0;
    FloatVector a3 = a0;
    for (int d = 0; d < width; d++) {
      FloatVector x = FloatVector.fromArray(F, m, q + d * L);
      a0 = x.fma(FloatVector.broadcast(F, m[k + d]), a0);
      a1 = x.fma(FloatVector.broadcast(F, m[k + width + d]), a1);
      a2 = x.fma(FloatVector.broadcast(F, m[k + 2 * width + d]), a2);
      a3 = x.fma(FloatVector.broadcast(F, m[k + 3 * width + d]), a3);
    }
    FloatVector u = FloatVector.fromArray(F, m, w);
    a0.max(0f).fma(u, FloatVector.fromArray(F, m, sums)).intoArray(m, sums);
    a1.max(0f).fma(u, FloatVector.fromArray(F, m, sums + L)).intoArray(m, sums + L);
    a2.max(0f).fma(u, FloatVector.fromArray(F, m, sums + 2 * L)).intoArray(m, sums + 2 * L);
    a3.max(0f).fma(u, FloatVector.fromArray(F, m, sums + 3 * L)).intoArray(m, sums + 3 * L);
  }
}
