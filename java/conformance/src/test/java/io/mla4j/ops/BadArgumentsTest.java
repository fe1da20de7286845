package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.InvalidStateException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import io.mla4j.testkit.GuardedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given arguments that do not fit, when any kernels or the operations over them are called, then a
 * typed exception names the argument, no result was changed, and memory that is not the call's was
 * not touched.
 */
class BadArgumentsTest {
  private static final MlaShape SHAPE = new MlaShape(3, 16, 4, 5, 6);
  private static final int N = 4;

  private final SplittableRandom random = new SplittableRandom(3);

  static Stream<Kernels> kernels() {
    return AllKernels.all().stream();
  }

  private Tensor x(long... shape) {
    return Tensors.random(random, 1, shape);
  }

  private Weight w(long out, long in) {
    return Tensors.weight(random, StorageFormat.BF16, out, in);
  }

  /**
   * Throws {@code InvalidArgumentException} with {@code name} in it and leaves {@code out} as it
   * is.
   */
  private static void refuses(String name, Tensor out, Executable call) {
    int[] before = Tensors.bits(out);
    InvalidArgumentException e = assertThrows(InvalidArgumentException.class, call, name);
    assertTrue(e.getMessage().contains(name), "\"" + e.getMessage() + "\" does not name " + name);
    assertTrue(e.getMessage().lines().count() == 1, e.getMessage());
    assertArrayEquals(before, Tensors.bits(out), name + ": the result was changed");
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void operationsNameWhatDoesNotFit(Kernels kernels) {
    try (Device device = new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, 2)) {
      Device ops = device;
      ComputeType f32 = ComputeType.F32;
      Tensor out = Tensors.nan(N, 8);
      refuses(
          "ids[2] is 10",
          out,
          () -> ops.run(new Embed(w(10, 8), Tensors.ints(0, 9, 10, 1), 1, out)));
      refuses(
          "ids[0] is -1",
          out,
          () -> ops.run(new Embed(w(10, 8), Tensors.ints(-1, 9, 0, 1), 1, out)));
      refuses("ids", out, () -> ops.run(new Embed(w(10, 8), Tensors.ints(0, 1, 2), 1, out)));
      refuses("table", out, () -> ops.run(new Embed(w(10, 7), Tensors.ints(0, 1, 2, 3), 1, out)));
      refuses("weight", out, () -> ops.run(new RmsNorm(x(N, 8), x(7), 1e-6f, out)));
      refuses("out", out, () -> ops.run(new RmsNorm(x(N, 7), x(7), 1e-6f, out)));
      refuses("residual", out, () -> ops.run(new Add(x(N, 8), x(N - 1, 8), 1, out)));
      refuses("x", out, () -> ops.run(new Add(null, x(N, 8), 1, out)));
      refuses(
          "projections[0].weight",
          out,
          () ->
              ops.run(
                  new Linear(x(N, 5), List.of(new Linear.Projection(w(8, 6), null, out)), f32)));
      refuses(
          "projections[1].bias",
          out,
          () ->
              ops.run(
                  new Linear(
                      x(N, 5),
                      List.of(
                          new Linear.Projection(w(8, 5), null, out),
                          new Linear.Projection(w(8, 5), x(7), out)),
                      f32)));
      refuses(
          "I32",
          out,
          () ->
              ops.run(
                  new Linear(
                      x(N, 5),
                      List.of(
                          new Linear.Projection(
                              Weight.of(Tensor.of(x(8, 5).segment(), StorageFormat.I32, 8, 5)),
                              null,
                              out)),
                      f32)));
      FeedForward.Weights network = new FeedForward.Weights(w(9, 8), w(9, 8), w(8, 9));
      refuses("gate", out, () -> ops.run(new FeedForward(x(N, 7), network, f32, out)));
      refuses(
          "down",
          out,
          () ->
              ops.run(
                  new FeedForward(
                      x(N, 8), new FeedForward.Weights(w(9, 8), w(9, 8), w(8, 8)), f32, out)));
      Routing routing =
          new Routing(
              2,
              1,
              Routing.Score.SOFTMAX,
              1,
              1,
              Routing.GroupScore.MAX,
              Routing.GroupMask.ZERO,
              true,
              1);
      refuses(
          "router",
          out,
          () ->
              ops.run(
                  new Mixture(
                      x(N, 8),
                      new Mixture.Weights(routing, w(3, 8), null, List.of(network, network), null),
                      f32,
                      out)));
      refuses(
          "experts",
          out,
          () ->
              ops.run(
                  new Mixture(
                      x(N, 8),
                      new Mixture.Weights(routing, w(2, 8), null, List.of(network), null),
                      f32,
                      out)));
      Tensor heads = Tensors.nan(N, SHAPE.heads(), SHAPE.query());
      Rotation short3 = new Rotation(x(3, 2), x(3, 2), RopeLayout.PAIRS);
      refuses(
          "rotation",
          heads,
          () -> ops.run(new Rotate(x(N, SHAPE.heads(), SHAPE.query()), short3, heads)));
      refuses(
          "partialLse",
          heads,
          () -> ops.run(new Merge(x(2, N, SHAPE.heads(), SHAPE.query()), x(2, N, 2), heads, null)));
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void attentionNamesWhatDoesNotFit(Kernels kernels) {
    try (Device device = new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, 2);
        LatentCache cache =
            LatentCache.builder(device)
                .layout(LatentLayout.of(SHAPE, CacheType.BF16))
                .layers(2)
                .pageSize(3)
                .pages(4)
                .build();
        Sequence sequence = cache.newSequence()) {
      Device ops = device;
      Weight latentUp = w((long) SHAPE.heads() * (SHAPE.nope() + SHAPE.value()), SHAPE.latent());
      Rotation rotation = new Rotation(x(N, 2), x(N, 2), RopeLayout.HALVES);
      Tensor rows = x(N, SHAPE.cached());
      Tensor q = x(N, SHAPE.heads(), SHAPE.query());
      Tensor qa = x(N, SHAPE.heads(), SHAPE.cached());
      Tensor out = Tensors.nan(N, SHAPE.heads(), SHAPE.value());
      Tensor latents = Tensors.nan(N, SHAPE.heads(), SHAPE.latent());
      AttentionScore score = AttentionScore.of(0.3f);
      ComputeType f32 = ComputeType.F32;
      DecodePlan plan;
      try (Step step = Batch.of(sequence).reserve(N)) {
        plan = step.plan(SHAPE, AttentionForm.AUTO);
        DecodePlan p = plan;
        refuses(
            "layer is 2", out, () -> ops.run(new AppendLatent(2, rows, null, 1e-6f, rotation), p));
        refuses(
            "latentAndKey",
            out,
            () -> ops.run(new AppendLatent(0, x(N, SHAPE.cached() + 1), null, 1e-6f, rotation), p));
        refuses(
            "normWeight", out, () -> ops.run(new AppendLatent(0, rows, x(15), 1e-6f, rotation), p));
        refuses(
            "rotation",
            out,
            () ->
                ops.run(
                    new AppendLatent(
                        0, rows, null, 1e-6f, new Rotation(x(N, 3), x(N, 3), RopeLayout.PAIRS)),
                    p));
        ops.run(new AppendLatent(0, rows, null, 1e-6f, rotation), p);
        refuses(
            "layer is -1",
            out,
            () ->
                ops.run(
                    new Attend(-1, p.shape(), q, LatentUp.fused(latentUp), score, f32, out), p));
        refuses(
            "q",
            out,
            () ->
                ops.run(
                    new Attend(0, p.shape(), x(N, 3, 8), LatentUp.fused(latentUp), score, f32, out),
                    p));
        refuses(
            "latentUp",
            out,
            () ->
                ops.run(
                    new Attend(0, p.shape(), q, LatentUp.fused(w(33, 15)), score, f32, out), p));
        refuses(
            "score",
            out,
            () ->
                ops.run(new Attend(0, p.shape(), q, LatentUp.fused(latentUp), null, f32, out), p));
        refuses(
            "alibiSlopes",
            out,
            () ->
                ops.run(
                    new Attend(
                        0,
                        p.shape(),
                        q,
                        LatentUp.fused(latentUp),
                        new AttentionScore(1, x(2)),
                        f32,
                        out),
                    p));
        refuses(
            "q", latents, () -> ops.run(new AttendAbsorbed(0, q, score, f32, latents, null), p));
        refuses(
            "lse",
            latents,
            () -> ops.run(new AttendAbsorbed(0, qa, score, f32, latents, x(N, 4)), p));
        for (float scale : new float[] {Float.NaN, 0, -1, Float.POSITIVE_INFINITY}) {
          refuses("scale", out, () -> AttentionScore.of(scale));
        }
        ops.run(new Attend(0, p.shape(), q, LatentUp.fused(latentUp), score, f32, out), p);
      }
      DecodePlan ended = plan;
      assertThrows(
          InvalidStateException.class,
          () ->
              ops.run(
                  new Attend(0, ended.shape(), q, LatentUp.fused(latentUp), score, f32, out),
                  ended));
    }
  }

  /** Page tables that point out of the pool. */
  @ParameterizedTest
  @MethodSource("kernels")
  void kernelsRefusePagesOutsideOfThePool(Kernels kernels) {
    int queries = 2;
    int kv = 7;
    for (CacheType type : CacheType.all()) {
      CacheParams cache =
          new CacheParams(
              LatentLayout.of(SHAPE, type), 2, 5, LatentLayout.of(SHAPE, type).pageBytes(2));
      for (int bad : new int[] {-1, 5, 1 << 30, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
        for (int at = 0; at < 4; at++) {
          int[] ids = {3, 0, 4, 1};
          ids[at] = bad;
          String name = kernels.isa() + " page_table[" + at + "] = " + bad;
          try (GuardedMemory memory = new GuardedMemory()) {
            MemorySegment table = memory.allocate(16, 4);
            MemorySegment.copy(ids, 0, table, ValueLayout.JAVA_INT_UNALIGNED, 0, 4);
            MemorySegment pages = memory.allocate(5 * cache.pageStrideBytes(), 64);
            Tensor q = x(queries, SHAPE.heads(), SHAPE.cached());
            Tensor latentUp =
                x((long) SHAPE.heads() * (SHAPE.nope() + SHAPE.value()), SHAPE.latent());
            Tensor out = Tensors.nan(queries, SHAPE.heads(), SHAPE.latent());
            Tensor lse = Tensors.nan(queries, SHAPE.heads());
            AttentionScore score = AttentionScore.of(0.3f);
            AttentionTile absorbed = AttentionTile.absorbed(ComputeType.F32, SHAPE.heads(), score);
            AttentionTile decompressed =
                AttentionTile.decompressed(
                    ComputeType.F32, SHAPE, score, LatentUp.fused(Weight.of(latentUp)));
            for (AttentionTile attention : List.of(absorbed, decompressed)) {
              attention.pages(cache, pages, table);
              attention.queries(q, 0);
              attention.tokens(queries, kv);
              attention.strides(out.stride(0), out.stride(1), lse.stride(0), lse.stride(1));
              attention.addPart(out.segment(), lse.segment());
              TileKernel kernel = kernels.bind(attention);
              kernel.prepare();
              Tile tile =
                  new Tile()
                      .heads(0, SHAPE.heads())
                      .rows(0, queries)
                      .keys(0, kv, 0)
                      .workspace(memory.allocate(kernel.workspaceBytes(), 64));
              InvalidArgumentException e =
                  assertThrows(InvalidArgumentException.class, () -> kernel.run(tile), name);
              assertTrue(e.getMessage().contains("page_table[" + at + "]"), e.getMessage());
            }
            Rotation rotation =
                new Rotation(x(kv, SHAPE.rope() / 2), x(kv, SHAPE.rope() / 2), RopeLayout.PAIRS);
            AppendTile append =
                new AppendTile(new AppendLatent(0, x(kv, SHAPE.cached()), null, 1e-6f, rotation));
            append.pages(cache, pages, table);
            append.tokens(0, kv, 0);
            TileKernel kernel = kernels.bind(append);
            kernel.prepare();
            InvalidArgumentException e =
                assertThrows(
                    InvalidArgumentException.class, () -> kernel.run(new Tile().rows(0, kv)), name);
            assertTrue(e.getMessage().contains("page_table[" + at + "]"), e.getMessage());
            memory.verify();
          }
        }
      }
    }
  }

  private static void run(Kernels kernels, RowOperation operation) {
    TileKernel kernel = kernels.bind(operation);
    kernel.prepare();
    kernel.run(new Tile().rows(0, operation.rows()));
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void kernelsRefuseTokensAndSlotsThatDoNotExist(Kernels kernels) {
    for (int bad : new int[] {-1, 10, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      Tensor out = Tensors.nan(3, 8);
      Tensor ids = Tensors.ints(0, bad, 3);
      Embed embed = new Embed(Weight.of(x(10, 8)), ids, 1, out);
      InvalidArgumentException e =
          assertThrows(InvalidArgumentException.class, () -> run(kernels, embed));
      assertTrue(e.getMessage().contains("ids[1] is " + bad), e.getMessage());
      Combine combine = new Combine(x(10, 8), ids.reshape(1, 3), x(1, 3), null, out.first(1));
      e = assertThrows(InvalidArgumentException.class, () -> run(kernels, combine));
      assertTrue(e.getMessage().contains("slots["), e.getMessage());
      assertTrue(e.getMessage().contains("is " + bad), e.getMessage());
    }
  }

  /**
   * Broken weights make NaN logits: the choice means nothing then, but must stay a choice of
   * different experts.
   */
  @ParameterizedTest
  @MethodSource("kernels")
  void routingOfNaNChoosesExperts(Kernels kernels) {
    List<Routing> routings = new ArrayList<>();
    for (Routing.Score score : Routing.Score.values()) {
      for (Routing.GroupMask mask : Routing.GroupMask.values()) {
        routings.add(new Routing(12, 4, score, 3, 2, Routing.GroupScore.TOP2_SUM, mask, true, 1));
        routings.add(new Routing(12, 12, score, 1, 1, Routing.GroupScore.MAX, mask, true, 1));
      }
    }
    for (Routing routing : routings) {
      for (int nan = 1; nan <= 12; nan++) {
        for (float bad :
            new float[] {Float.NaN, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY}) {
          Tensor logits = x(1, 12);
          for (int i = 0; i < nan; i++) {
            logits.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, bad);
          }
          Tensor experts = Tensors.ints(new int[routing.topK()]);
          Tensor weights = Tensors.nan(1, routing.topK());
          run(
              kernels,
              new Route(routing, logits, null, experts.reshape(1, routing.topK()), weights));
          for (int e : Tensors.bits(experts)) {
            assertTrue(
                e >= 0 && e < 12,
                kernels.isa() + " " + routing + " with " + nan + " times " + bad + " chooses " + e);
          }
        }
      }
    }
  }
}
