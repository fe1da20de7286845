package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.BoundOperation;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.LatentCache;
import io.mla4j.MlaShape;
import io.mla4j.Step;
import io.mla4j.bench.SparseGrid.Part;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendChosen;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.ChooseKeys;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Operation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** A step of one sequence whose rows were appended, over the next layer each time. */
final class SparseCase extends CpuCase {
  /** The group of the indexer's keys: latents are group 0. */
  private static final int KEYS = 1;

  /** Scores of deviation 1 or so, as in models. */
  private static final double QUERY_DEVIATION = 0.5;

  private static final double WEIGHT_DEVIATION = 1 / Math.sqrt(Kind.LATENT);

  private final SparseSpec spec;
  private final AttentionSpec dense;
  private final DataPool pool;
  private final Arena arena = Arena.ofShared();
  private final MlaShape shape;
  private final LatentCache cache;
  private final Step step;
  private final DecodePlan plan;
  private final Tensor q;
  private final Tensor latentUp;
  private final Tensor out;
  private final Tensor indexQueries;
  private final Tensor indexWeights;
  private final Tensor chosen;

  /** One for each layer, made when its turn comes first. */
  private final BoundOperation[] bound;

  SparseCase(SparseSpec spec, DataPool pool) {
    super(spec.axes(), spec.work(), spec.device());
    this.spec = spec;
    this.pool = pool;
    dense = spec.attention();
    shape = new MlaShape(dense.heads(), Kind.LATENT, Kind.ROPE, Kind.HEAD, Kind.HEAD);
    bound = new BoundOperation[pool.pieces(spec.layerBytes())];
    cache =
        LatentCache.builder(new PoolDevice(device, pool))
            .layout(dense.layout())
            .layers(bound.length)
            .group(spec.keys(), bound.length)
            .pageSize(dense.page())
            .pages(dense.pagesOfSequence())
            .build();
    Batch batch = Batch.of(cache.newSequence());
    try (Step before = batch.reserve(dense.tokens() - dense.queries())) {
      before.commit();
    }
    int n = dense.queries();
    step = batch.reserve(n);
    plan = step.plan(shape, AttentionForm.ABSORBED);
    q = RandomNumbers.floats(device, arena, QUERY_DEVIATION, n, dense.heads(), shape.query());
    out = RandomNumbers.floats(device, arena, 0, n, dense.heads(), Kind.HEAD);
    latentUp =
        RandomNumbers.bf16(
            device, arena, WEIGHT_DEVIATION, dense.heads() * 2L * Kind.HEAD, Kind.LATENT);
    int indexHeads = spec.indexer().heads();
    indexQueries =
        RandomNumbers.floats(device, arena, QUERY_DEVIATION, n, indexHeads, spec.indexer().width());
    indexWeights = RandomNumbers.floats(device, arena, 1, n, indexHeads);
    chosen =
        Tensor.of(device.allocate(4L * n * spec.topK(), arena), StorageFormat.I32, n, spec.topK());
    if (spec.part() == Part.CHOSEN) {
      choose();
    }
  }

  /** Different tokens for each query, as far apart as chance has them. */
  private void choose() {
    SplittableRandom random = new SplittableRandom(3);
    for (int t = 0; t < dense.queries(); t++) {
      int[] positions = random.ints(0, visible(t)).distinct().limit(spec.topK()).sorted().toArray();
      for (int i = 0; i < positions.length; i++) {
        chosen.segment().setAtIndex(ValueLayout.JAVA_INT, (long) t * spec.topK() + i, positions[i]);
      }
    }
  }

  private int visible(int query) {
    return dense.tokens() - dense.queries() + query + 1;
  }

  private Operation operation(int layer) {
    Attend attend =
        new Attend(
            layer,
            shape,
            q,
            LatentUp.fused(Weight.of(latentUp)),
            AttentionScore.of(AttentionSpec.MLA_SCALE),
            dense.compute(),
            out);
    return switch (spec.part()) {
      case DENSE -> attend;
      case CHOSEN -> new AttendChosen(attend, chosen);
      case INDEXER -> new ChooseKeys(KEYS, layer, indexQueries, indexWeights, chosen);
    };
  }

  private void run(int layer) {
    if (bound[layer] == null) {
      bound[layer] = device.bind(operation(layer));
    }
    bound[layer].run(plan);
  }

  @Override
  void run() {
    run(pool.nextPiece(spec.layerBytes()));
  }

  @Override
  boolean isBoundByMemory() {
    return true;
  }

  /** The oracle that stands here knows no rounding to integers. */
  @Override
  boolean isVerifiable() {
    return dense.compute() != ComputeType.INT8 || dense.cacheType() != CacheType.INT8;
  }

  @Override
  void verify() {
    int layer = bound.length - 1;
    run(layer);
    PagedView view = PagedView.of(plan);
    if (spec.part() == Part.INDEXER) {
      IndexCheck check =
          new IndexCheck(
              label(), spec, view.layerBase(KEYS, layer), view.pageTable(0), indexQueries);
      for (int t : AttentionCheck.some(dense.queries())) {
        check.requireBest(indexWeights, t, visible(t), chosenOf(t));
      }
      return;
    }
    AttentionCheck check =
        new AttentionCheck(
            label(), dense, view.layerBase(layer), view.pageTable(0), 0, AttentionSpec.MLA_SCALE);
    for (int t : AttentionCheck.some(dense.queries())) {
      int[] tokens =
          spec.part() == Part.CHOSEN ? chosenOf(t) : IntStream.range(0, visible(t)).toArray();
      for (int h : AttentionCheck.some(dense.heads())) {
        check.withWeights(q, latentUp, out, t, h, tokens);
      }
    }
  }

  private int[] chosenOf(int query) {
    return IntStream.range(0, spec.topK())
        .map(i -> chosen.segment().getAtIndex(ValueLayout.JAVA_INT, (long) query * spec.topK() + i))
        .filter(position -> position >= 0)
        .toArray();
  }

  @Override
  public void close() {
    step.close();
    cache.close();
    arena.close();
  }
}
