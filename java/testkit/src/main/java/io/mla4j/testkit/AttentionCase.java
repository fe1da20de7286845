package io.mla4j.testkit;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Probabilities;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * {@code attendAbsorbed} and {@code attendDecompressed}: queries of one sequence over its pages.
 */
final class AttentionCase implements OperationCase {
  /**
   * FlashMLA's tests draw latents of deviation 0.1; its absolute bound belongs to numbers of that
   * size.
   */
  private static final double FLASH_MLA_DEVIATION = 0.1;

  private static final double FLOAT32_COSINE = 1e-9;

  /** Calls over multiples of as many rows give the same bits (mla.h). */
  private static final int ROWS = 16;

  private static final double FLASH_MLA_ABSOLUTE = 8e-4;
  private static final double FLASH_MLA_RELATIVE = 2.01 / 128;

  private final boolean decompressed;
  private final ComputeType compute;
  private final LatentLayout layout;
  private final boolean ownKeys;
  private final int heads;
  private final int queries;
  private final int kvTokens;
  private final int kvBegin;
  private final int kvEnd;
  private final boolean causal;
  private final int nope;
  private final int value;
  private final StoredWeight.Kind kind;

  /** W_UK, transposed, and W_UV in matrices of their own. */
  private final boolean split;

  private final boolean tableOfRows;

  private final Probabilities probabilities;

  private final int pageSize;
  private final float scale;
  private final double deviation;
  private final float[] q;
  private final float[] rows;

  /** latentUp, or W_UV where it is split; null in the absorbed form. */
  private final StoredWeight up;

  /** W_UK (heads * latent, nope) where it is split. */
  private final StoredWeight keysUp;

  private final float[] slopes;
  private List<Expectation> expected;

  AttentionCase(CaseRandom r, boolean decompressed) {
    this.decompressed = decompressed;
    compute = r.of(ComputeType.values());
    Sizes sizes = r.oneIn(40) ? Sizes.ofModel(r, decompressed) : Sizes.random(r, decompressed);
    heads = sizes.heads();
    queries = sizes.queries();
    int kv = sizes.kv();
    kvTokens = kv;
    nope = decompressed ? sizes.nope() : 0;
    value = decompressed ? sizes.value() : 0;
    pageSize = sizes.page();
    CacheType cacheType = r.of(CacheType.all().toArray(CacheType[]::new));
    boolean flashMla = compute == ComputeType.BF16 && r.oneIn(2);
    layout = new LatentLayout(sizes.latent(), sizes.rope(), flashMla ? CacheType.BF16 : cacheType);
    ownKeys = !decompressed && layout.rope() > 0 && r.oneIn(4);
    kind = StoredWeight.Kind.any(r);
    split = decompressed && r.oneIn(3);
    tableOfRows = r.oneIn(8);
    probabilities = r.of(Probabilities.values());
    causal = !r.oneIn(4);
    boolean part = !decompressed && r.oneIn(3);
    kvBegin = part ? r.between(0, kv) : 0;
    kvEnd = part ? r.between(kvBegin, kv) : kv;
    deviation = rounds() ? FLASH_MLA_DEVIATION * r.of(1.0, 1.0, 0.1) : r.of(1.0, 1.0, 0.1);
    rows = Pages.randomRows(r, layout, kv, deviation);
    int width = queryWidth();
    // Scores of deviation 0.3 to 1: from nearly equal to clearly peaked.
    scale = (float) (1 / Math.sqrt(width));
    q = r.normals(queries * heads * width, r.of(0.3, 0.6, 1.0) / deviation);
    double size = 1 / Math.sqrt(layout.latent());
    int upRows = heads * (split ? value : nope + value);
    up = decompressed ? StoredWeight.random(r, kind, upRows, layout.latent(), size) : null;
    keysUp = split ? StoredWeight.random(r, kind, heads * layout.latent(), nope, size) : null;
    slopes = r.oneIn(4) ? new float[heads] : null;
    for (int h = 0; slopes != null && h < heads; h++) {
      // Far keys alone have scores whose float32 spacing is no defect of a kernel: keep those
      // small.
      double steepest = part ? 4.0 / kv : 1;
      slopes[h] = (float) (steepest * Math.pow(2, -8.0 * (h + 1) / heads));
    }
  }

  /**
   * What a group of heads attends to that has keys and values of its own: all tokens, causally.
   *
   * @param heads of the group
   */
  AttentionCase(
      CaseRandom r,
      ComputeType compute,
      LatentLayout layout,
      int heads,
      int queries,
      int kvTokens) {
    decompressed = false;
    this.compute = compute;
    this.layout = layout;
    this.heads = heads;
    this.queries = queries;
    this.kvTokens = kvTokens;
    ownKeys = true;
    causal = true;
    kvBegin = 0;
    kvEnd = kvTokens;
    nope = 0;
    value = 0;
    pageSize = 1;
    kind = null;
    split = false;
    tableOfRows = false;
    probabilities = Probabilities.BITS_8;
    deviation = rounds() ? FLASH_MLA_DEVIATION : 1;
    rows = Pages.randomRows(r, layout, kvTokens, deviation);
    scale = (float) (1 / Math.sqrt(layout.rope()));
    q = r.normals(queries * heads * layout.rope(), r.of(0.3, 0.6, 1.0) / deviation);
    up = null;
    keysUp = null;
    slopes = null;
  }

  /** The factor on scores. */
  float scale() {
    return scale;
  }

  /** (queries, heads, width). */
  float[] queries() {
    return q;
  }

  /** (tokens, latent + rope), as they are cached. */
  float[] cachedRows() {
    return rows;
  }

  /** Some sizes are large, but not all at once: the oracle multiplies one number at a time. */
  private record Sizes(
      int heads, int queries, int kv, int latent, int rope, int nope, int value, int page) {
    /** DeepSeek's rows, pages and heads: the sizes that kernels have fast paths for. */
    static Sizes ofModel(CaseRandom r, boolean decompressed) {
      int heads = decompressed ? r.between(1, 2) : r.of(16, 128);
      int queries = decompressed ? r.of(3, 16, 40) : r.between(1, 2);
      return new Sizes(heads, queries, r.between(90, 300), 512, 64, 128, 128, 64);
    }

    static Sizes random(CaseRandom r, boolean decompressed) {
      int tokens = r.oneIn(25) ? 5000 : r.oneIn(5) ? 700 : r.oneIn(3) ? 200 : 40;
      int kv = r.oneIn(20) ? 0 : r.between(1, tokens);
      long budget = r.oneIn(20) ? 25_000_000 : 3_000_000;
      int longestQuery = decompressed && r.oneIn(5) ? 40 : 8;
      int queries = Math.min(kv, r.oneIn(3) ? 1 : r.between(1, longestQuery));
      int rows = decompressed ? 1 : queries;
      int most = Math.clamp(budget / Math.max(1, (long) kv * rows), 40, 1 << 20);
      // Where keys and values are rebuilt, many heads or wide ones: both at once take too long.
      int maxHeads = Math.clamp(most / (decompressed && r.oneIn(2) ? 4000 : 40), 1, 128);
      int heads =
          r.oneIn(4)
              ? Math.min(maxHeads, r.of(1, 3, 9, 16, 20, 63, 64, 65, 126, 128))
              : r.size(1, maxHeads);
      int maxLatent = Math.clamp(most / (2 * heads), 16, 512);
      int latent = Pages.randomLatent(r, maxLatent);
      int each = Math.clamp(most / ((long) heads * (latent + queries)) / 2, 1, 128);
      return new Sizes(
          heads,
          queries,
          kv,
          latent,
          Pages.randomRope(r),
          r.size(1, each),
          r.size(1, each),
          Pages.randomPageSize(r));
    }
  }

  private int queryWidth() {
    return (decompressed ? nope : ownKeys ? 0 : layout.latent()) + layout.rope();
  }

  private int outWidth() {
    return decompressed ? value : layout.latent();
  }

  /** Queries, probabilities, what is under scales, and rebuilt keys and values are rounded. */
  private boolean rounds() {
    return !coded() && layout.type().rounds(compute);
  }

  /** Queries and probabilities are integers. */
  private boolean coded() {
    return !decompressed && layout.type().multipliesCodes(compute);
  }

  @Override
  public String shape() {
    return compute
        + " heads "
        + heads
        + ", queries "
        + queries
        + ", kv "
        + kvTokens
        + " ["
        + kvBegin
        + ", "
        + kvEnd
        + ")"
        + (causal ? " causal" : "")
        + ", latent "
        + layout.latent()
        + ", rope "
        + layout.rope()
        + ", cache "
        + layout.type()
        + ", page "
        + pageSize
        + (tableOfRows ? ", table of rows" : "")
        + (ownKeys ? ", keys of their own" : "")
        + (slopes == null ? "" : ", alibi")
        + (coded() ? ", probabilities of " + probabilities.bits() + " bits" : "")
        + ", deviation "
        + deviation
        + (decompressed
            ? ", nope " + nope + ", value " + value + ", weight " + kind + (split ? ", split" : "")
            : "");
  }

  /** Causal, over all keys, which are the rows themselves. */
  @Override
  public boolean ofDecoder() {
    return causal && !ownKeys && kvBegin == 0 && kvEnd == kvTokens;
  }

  @Override
  public boolean ofDevices() {
    return compute != ComputeType.INT8
        && !tableOfRows
        && !layout.type().hasScales()
        && (!decompressed || kind.ofDevices() && !split);
  }

  @Override
  public List<Expectation> expected() {
    if (expected == null) {
      expected = compute();
    }
    return expected;
  }

  private List<Expectation> compute() {
    int width = queryWidth();
    int outWidth = outWidth();
    double[] in = Oracle.widen(q, rounds());
    double[] out = new double[queries * heads * outWidth];
    double[] bound = new double[out.length];
    double[] lse = new double[queries * heads];
    double[] lseBound = new double[lse.length];
    double[] cached = Oracle.widen(rows, rounds());
    int stride = layout.latent() + layout.rope();
    RoundingNoise noise = new RoundingNoise();
    double size = 0;
    Attention attention = new Attention(width, outWidth, scale, rounds());
    CodedAttention integers =
        coded() ? new CodedAttention(layout, ownKeys, scale, probabilities, rows) : null;
    Attention.Rows keys =
        new Attention.Rows(ownKeys ? ownKeys(cached) : cached, stride, cached, stride, null, null);
    for (int h = 0; h < heads; h++) {
      if (decompressed) {
        keys = rebuild(cached, h);
      }
      for (int t = 0; t < queries; t++) {
        int position = kvTokens - queries + t;
        int row = t * heads + h;
        int end = causal ? Math.min(kvEnd, position + 1) : kvEnd;
        Attention.Bias bias = new Attention.Bias(slopes == null ? 0 : slopes[h], position);
        double[] allowed;
        double[] termSquares;
        if (coded()) {
          lse[row] = integers.row(q, row * width, kvBegin, end, bias, out, row * outWidth);
          allowed = integers.outBound;
          termSquares = integers.termSquares;
          lseBound[row] = integers.lseBound;
        } else {
          lse[row] = attention.row(in, row * width, keys, kvBegin, end, bias, out, row * outWidth);
          allowed = attention.outBound;
          termSquares = attention.termSquares;
          lseBound[row] = attention.lseBound;
          noise.addRow(attention, layout.latent());
        }
        System.arraycopy(allowed, 0, bound, row * outWidth, outWidth);
        for (double squares : termSquares) {
          size = Math.max(size, Math.sqrt(squares));
        }
      }
    }
    // A tenth of the noise of rounded probabilities, where there are enough of them for an average.
    boolean average = rounds() && kvEnd - kvBegin - queries >= 32 && out.length >= 256;
    double leastError = average ? 0.1 * Math.sqrt(noise.ofProbabilities() / out.length) : 0;
    double float32 = Expectation.float32(out, width + (decompressed ? layout.latent() : 0), size);
    for (int i = 0; i < out.length; i++) {
      double allowed = bound[i] + float32;
      if (rounds()) {
        double flashMla = Math.max(FLASH_MLA_ABSOLUTE, FLASH_MLA_RELATIVE * Math.abs(out[i]));
        allowed = Math.min(allowed, flashMla);
      }
      bound[i] = allowed;
    }
    for (int i = 0; i < lse.length; i++) {
      lseBound[i] += Expectation.lseBound(lse[i]);
    }
    // A measure of a whole: errors of single elements may have one sign. Few elements are no whole.
    boolean measured = out.length >= 64 && !(coded() && integers.doubtful);
    double squares = Arrays.stream(out).map(x -> x * x).sum();
    double cosine = !measured ? 1 / 0.0 : rounds() ? noise.cosine(squares) : FLOAT32_COSINE;
    return List.of(
        new Expectation("out", out, bound, cosine, leastError),
        Expectation.within("lse", lse, lseBound));
  }

  /** The rows from their keys on. */
  private double[] ownKeys(double[] cached) {
    return Arrays.copyOfRange(cached, Math.min(layout.latent(), cached.length), cached.length);
  }

  /**
   * Keys and values of head h from the latents; rounded to bf16 where the cache and the computation
   * are.
   */
  private Attention.Rows rebuild(double[] cached, int h) {
    int latent = layout.latent();
    int rope = layout.rope();
    int width = nope + rope;
    double[] w = Oracle.widen(ofHead(h), false);
    double[] keys = new double[kvTokens * width];
    double[] values = new double[kvTokens * value];
    double[] keySlack = new double[keys.length];
    double[] valueSlack = new double[values.length];
    for (int s = 0; s < kvTokens; s++) {
      int row = s * (latent + rope);
      for (int i = 0; i < nope; i++) {
        product(cached, row, w, i * latent, keys, keySlack, s * width + i);
      }
      System.arraycopy(cached, row + latent, keys, s * width + nope, rope);
      for (int i = 0; i < value; i++) {
        product(cached, row, w, (nope + i) * latent, values, valueSlack, s * value + i);
      }
    }
    boolean slack = rounds();
    return new Attention.Rows(
        keys, width, values, value, slack ? keySlack : null, slack ? valueSlack : null);
  }

  /** (nope + value, latent): W_UK and W_UV of head h. */
  private float[] ofHead(int h) {
    int latent = layout.latent();
    int width = nope + value;
    if (!split) {
      return Arrays.copyOfRange(up.values, h * width * latent, (h + 1) * width * latent);
    }
    float[] w = new float[width * latent];
    for (int i = 0; i < nope * latent; i++) {
      w[i] = keysUp.values[(h * latent + i % latent) * nope + i / latent];
    }
    System.arraycopy(up.values, h * value * latent, w, nope * latent, value * latent);
    return w;
  }

  private void product(
      double[] cached, int row, double[] w, int wAt, double[] to, double[] slack, int at) {
    int latent = layout.latent();
    double exact = Oracle.dot(cached, row, w, wAt, latent);
    if (!rounds()) {
      to[at] = exact;
      return;
    }
    double size = 0;
    for (int i = 0; i < latent; i++) {
      size += Math.abs(cached[row + i] * w[wAt + i]);
    }
    double error = size * 0x1p-23;
    to[at] = Rounding.bf16(exact);
    slack[at] = (double) Rounding.bf16(exact + error) - Rounding.bf16(exact - error);
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    CaseRandom random = cuts.random();
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid query =
          Grid.any(memory, random, StorageFormat.F32, queries, heads, queryWidth()).fill(q);
      Grid out = Grid.any(memory, random, StorageFormat.F32, queries, heads, outWidth());
      Grid lse = Grid.any(memory, random, StorageFormat.F32, queries, heads, 1);
      Pages.Sizes sizes = new Pages.Sizes(pageSize, kvTokens, tableOfRows);
      Pages pages = new Pages(memory, random, layout, sizes).fill(rows);
      StoredWeight.Placed weight = decompressed ? up.place(memory, random) : null;
      StoredWeight.Placed keys = split ? keysUp.place(memory, random) : null;
      Tensor alibi =
          slopes == null
              ? null
              : Grid.dense(memory, StorageFormat.F32, 1, 1, heads).fill(slopes).vector();
      AttentionScore score = new AttentionScore(scale, alibi, probabilities);
      AttentionTile attention =
          decompressed
              ? AttentionTile.decompressed(
                  compute,
                  new MlaShape(heads, layout.latent(), layout.rope(), nope, value),
                  score,
                  split
                      ? LatentUp.split(keys.weight, weight.weight)
                      : LatentUp.fused(weight.weight))
              : AttentionTile.absorbed(compute, heads, score);
      attention.variant(causal, ownKeys);
      attention.pages(pages.params, pages.cache, pages.table);
      attention.queries(query.segment, query.aStride, query.bStride);
      attention.tokens(queries, kvTokens);
      attention.strides(out.aStride, out.bStride, lse.aStride, lse.bStride);
      attention.addPart(out.segment, lse.segment);
      TileKernel kernel = kernels.bind(attention);
      kernel.prepare();
      MemorySegment workspace = memory.allocate(kernel.workspaceBytes(), 64);
      boolean full = heads % ROWS == 0;
      for (Cuts.Range h : decompressed ? cuts.ranges(heads, 1) : cuts.rowRanges(heads, ROWS)) {
        for (Cuts.Range t :
            !decompressed && full ? cuts.ranges(queries, 1) : cuts.rowRanges(queries, ROWS)) {
          if (!cuts.skips()) {
            out.ask(t.begin(), t.end(), h.begin(), h.end());
            lse.ask(t.begin(), t.end(), h.begin(), h.end());
            GuardedMemory.fill(workspace, 0, workspace.byteSize());
            kernel.run(
                new Tile()
                    .rows(t.begin(), t.end())
                    .heads(h.begin(), h.end())
                    .keys(kvBegin, kvEnd, 0)
                    .workspace(workspace));
          }
        }
      }
      query.requireUnchanged("q");
      if (decompressed) {
        weight.requireUnchanged("latentUp");
      }
      if (split) {
        keys.requireUnchanged("keys");
      }
      pages.requireUnchanged();
      memory.verify();
      return List.of(out.read("out"), lse.read("lse"));
    }
  }
}
