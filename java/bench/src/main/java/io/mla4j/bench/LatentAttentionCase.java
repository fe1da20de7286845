package io.mla4j.bench;

import io.mla4j.AbsorbedAttention;
import io.mla4j.Attention;
import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.WeightedAttention;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.PagedView;
import io.mla4j.testkit.StoredRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * MLA through the library's own interface: one layer's attention of a step whose rows were
 * appended.
 */
class LatentAttentionCase extends Case {
  /**
   * Scores of deviation 1 or so, as in models, over latents of deviation 1. More would leave few
   * keys that matter, and sums that are subnormal, with which processors take many times as long.
   */
  private static final double QUERY_DEVIATION = 0.5;

  /** Keeps rebuilt keys and values about as large as latents. */
  private static final double WEIGHT_DEVIATION = 1 / Math.sqrt(Kind.LATENT);

  private final AttentionSpec spec;
  private final DataPool pool;
  private final Arena arena = Arena.ofShared();
  private final LatentCache cache;
  private final Step step;
  private final PagedView plan;
  private final Attention attention;
  private final Tensor q;
  private final Tensor latentUp;
  private final Tensor out;
  private final Tensor lse;

  LatentAttentionCase(AttentionSpec spec, DataPool pool, Limits limits) {
    this(spec, pool, limits, new Prepared(spec, pool));
  }

  private LatentAttentionCase(AttentionSpec spec, DataPool pool, Limits limits, Prepared prepared) {
    AttentionForm form = prepared.plan.form(0);
    super(spec.axes(form), spec.work(form), limits);
    Device device = spec.device();
    this.spec = spec;
    this.pool = pool;
    cache = prepared.cache;
    step = prepared.step;
    plan = prepared.plan;
    long n = plan.tokens();
    boolean weights = spec.hasWeights();
    latentUp = weights ? prepared.weights(arena) : null;
    AttentionScore score = AttentionScore.of(AttentionSpec.MLA_SCALE);
    attention =
        weights
            ? Attention.withWeights(
                cache, prepared.shape, Weight.of(latentUp), score, spec.compute())
            : Attention.absorbed(cache, spec.heads(), score, spec.compute());
    double deviation = QUERY_DEVIATION / latentDeviation();
    q = RandomNumbers.floats(device, arena, deviation, n, spec.heads(), attention.queryWidth());
    out = RandomNumbers.floats(device, arena, 0, n, spec.heads(), attention.outWidth());
    lse = weights ? null : RandomNumbers.floats(device, arena, 0, n, spec.heads());
  }

  /** What has to be there before the row can be named. */
  private static final class Prepared {
    final AttentionSpec spec;
    final MlaShape shape;
    final LatentCache cache;
    final Step step;
    final PagedView plan;

    Prepared(AttentionSpec spec, DataPool pool) {
      this.spec = spec;
      int width = spec.hasWeights() ? Kind.HEAD : Kind.LATENT;
      shape = new MlaShape(spec.heads(), Kind.LATENT, Kind.ROPE, width, width);
      int layers =
          spec.residency() == AttentionGrid.Residency.WARM ? 1 : pool.pieces(spec.layerBytes());
      cache =
          LatentCache.builder(new PoolDevice(spec.device(), pool))
              .layout(spec.layout())
              .layers(layers)
              .pageSize(spec.page())
              .pages(spec.pagesOfSequence() * spec.batch())
              .build();
      Batch batch =
          Batch.of(
              Stream.generate(cache::newSequence).limit(spec.batch()).toArray(Sequence[]::new));
      int[] counts = new int[spec.batch()];
      Arrays.fill(counts, spec.tokens() - spec.queries());
      try (Step before = batch.reserve(counts)) {
        before.commit();
      }
      Arrays.fill(counts, spec.queries());
      step = batch.reserve(counts);
      plan = PagedView.of(step.plan(shape, spec.form()));
    }

    Tensor weights(Arena arena) {
      return RandomNumbers.bf16(
          spec.device(), arena, WEIGHT_DEVIATION, (long) spec.heads() * 2 * Kind.HEAD, Kind.LATENT);
    }
  }

  @Override
  void run() {
    operation();
  }

  /** One operation, over the next layer. */
  final void operation() {
    attend(nextLayer());
  }

  private int nextLayer() {
    return plan.layers() == 1 ? 0 : pool.nextPiece(spec.layerBytes());
  }

  private void attend(int layer) {
    switch (attention) {
      case AbsorbedAttention absorbed -> absorbed.attend(plan, layer, q, out, lse);
      case WeightedAttention weighted -> weighted.attend(plan, layer, q, out);
    }
  }

  @Override
  boolean isBoundByMemory() {
    return spec.isBoundByMemory();
  }

  /**
   * The oracle that stands here knows no rounding to integers; that of the conformance tests does.
   */
  @Override
  boolean isVerifiable() {
    return spec.compute() != ComputeType.INT8 || spec.cacheType() != CacheType.INT8;
  }

  @Override
  void verify() {
    int layer = plan.layers() - 1;
    attend(layer);
    MemorySegment pages = onHost(plan.layerBase(layer).asSlice(0, spec.layerBytes()));
    Tensor hostQ = onHost(q);
    Tensor hostLatentUp = onHost(latentUp);
    Tensor hostOut = onHost(out);
    Tensor hostLse = onHost(lse);
    for (int i : AttentionCheck.some(spec.batch())) {
      AttentionCheck check =
          new AttentionCheck(
              label(), spec, pages, plan.pageTable(i), plan.firstToken(i), AttentionSpec.MLA_SCALE);
      for (int t : AttentionCheck.some(spec.queries())) {
        for (int h : AttentionCheck.some(spec.heads())) {
          if (latentUp == null) {
            check.absorbed(hostQ, hostOut, hostLse, t, h);
          } else {
            check.withWeights(hostQ, hostLatentUp, hostOut, t, h);
          }
        }
      }
    }
  }

  /** Of the first page's latents: integers under scales are larger than what the pool holds. */
  private double latentDeviation() {
    LatentLayout layout = spec.layout();
    MemorySegment page = onHost(plan.layerBase(0).asSlice(0, layout.pageBytes(spec.page())));
    StoredRows stored = new StoredRows(layout);
    double squares = 0;
    for (int token = 0; token < spec.page(); token++) {
      long scales = spec.page() * layout.rowStrideBytes() + token * layout.scaleBytes();
      for (int i = 0; i < layout.latent(); i++) {
        double x = stored.read(page, token * layout.rowStrideBytes(), scales, i);
        squares += x * x;
      }
    }
    return Math.sqrt(squares / spec.page() / layout.latent());
  }

  /** What Java can read, or null for null: the tensor itself, or a copy. */
  private Tensor onHost(Tensor tensor) {
    if (tensor == null || spec.device().hostAccessible()) {
      return tensor;
    }
    long[] shape = LongStream.range(0, tensor.rank()).map(i -> tensor.dim((int) i)).toArray();
    return Tensor.of(onHost(tensor.segment()), tensor.format(), shape);
  }

  private MemorySegment onHost(MemorySegment segment) {
    if (spec.device().hostAccessible()) {
      return segment;
    }
    MemorySegment copy = arena.allocate(segment.byteSize(), 64);
    spec.device().copy(segment, 0, copy, 0, segment.byteSize());
    return copy;
  }

  @Override
  public void close() {
    step.close();
    cache.close();
    arena.close();
  }
}
