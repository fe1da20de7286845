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
import io.mla4j.ops.Ops.FeedForward;
import io.mla4j.ops.Ops.Mixture;
import io.mla4j.ops.Ops.Projection;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.RouteParams;
import io.mla4j.spi.TileKernels;
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

  static Stream<TileKernels> kernels() {
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
  void operationsNameWhatDoesNotFit(TileKernels kernels) {
    try (Device device = new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, 2)) {
      Ops ops = device.ops();
      ComputeType f32 = ComputeType.F32;
      Tensor out = Tensors.nan(N, 8);
      refuses("ids[2] is 10", out, () -> ops.embed(w(10, 8), Tensors.ints(0, 9, 10, 1), 1, out));
      refuses("ids[0] is -1", out, () -> ops.embed(w(10, 8), Tensors.ints(-1, 9, 0, 1), 1, out));
      refuses("ids", out, () -> ops.embed(w(10, 8), Tensors.ints(0, 1, 2), 1, out));
      refuses("table", out, () -> ops.embed(w(10, 7), Tensors.ints(0, 1, 2, 3), 1, out));
      refuses("weight", out, () -> ops.rmsNorm(x(N, 8), x(7), 1e-6f, out));
      refuses("out", out, () -> ops.rmsNorm(x(N, 7), x(7), 1e-6f, out));
      refuses("residual", out, () -> ops.add(x(N, 8), x(N - 1, 8), 1, out));
      refuses("x", out, () -> ops.add(null, x(N, 8), 1, out));
      refuses(
          "projections[0].weight",
          out,
          () -> ops.linear(x(N, 5), List.of(new Projection(w(8, 6), null, out)), f32));
      refuses(
          "projections[1].bias",
          out,
          () ->
              ops.linear(
                  x(N, 5),
                  List.of(new Projection(w(8, 5), null, out), new Projection(w(8, 5), x(7), out)),
                  f32));
      refuses(
          "I32",
          out,
          () ->
              ops.linear(
                  x(N, 5),
                  List.of(new Projection(Weight.of(Tensor.of(x(8, 5).segment(), StorageFormat.I32, 8, 5)), null, out)),
                  f32));
      FeedForward network = new FeedForward(w(9, 8), w(9, 8), w(8, 9));
      refuses("gate", out, () -> ops.feedForward(x(N, 7), network, f32, out));
      refuses(
          "down",
          out,
          () -> ops.feedForward(x(N, 8), new FeedForward(w(9, 8), w(9, 8), w(8, 8)), f32, out));
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
              ops.mixture(
                  x(N, 8),
                  new Mixture(routing, w(3, 8), null, List.of(network, network), null),
                  f32,
                  out));
      refuses(
          "experts",
          out,
          () ->
              ops.mixture(
                  x(N, 8), new Mixture(routing, w(2, 8), null, List.of(network), null), f32, out));
      Tensor heads = Tensors.nan(N, SHAPE.heads(), SHAPE.query());
      Rotation short3 = new Rotation(x(3, 2), x(3, 2), RopeLayout.PAIRS);
      refuses(
          "rotation", heads, () -> ops.rotate(x(N, SHAPE.heads(), SHAPE.query()), short3, heads));
      refuses(
          "partialLse",
          heads,
          () -> ops.merge(x(2, N, SHAPE.heads(), SHAPE.query()), x(2, N, 2), heads, null));
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void attentionNamesWhatDoesNotFit(TileKernels kernels) {
    try (Device device = new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, 2);
        LatentCache cache =
            LatentCache.builder(device)
                .layout(LatentLayout.of(SHAPE, CacheType.BF16))
                .layers(2)
                .pageSize(3)
                .pages(4)
                .build();
        Sequence sequence = cache.newSequence()) {
      Ops ops = device.ops();
      Weight kvB = w((long) SHAPE.heads() * (SHAPE.nope() + SHAPE.value()), SHAPE.latent());
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
        refuses("layer is 2", out, () -> ops.appendLatent(p, 2, rows, null, 1e-6f, rotation));
        refuses(
            "latentAndKey",
            out,
            () -> ops.appendLatent(p, 0, x(N, SHAPE.cached() + 1), null, 1e-6f, rotation));
        refuses("normWeight", out, () -> ops.appendLatent(p, 0, rows, x(15), 1e-6f, rotation));
        refuses(
            "rotation",
            out,
            () ->
                ops.appendLatent(
                    p, 0, rows, null, 1e-6f, new Rotation(x(N, 3), x(N, 3), RopeLayout.PAIRS)));
        ops.appendLatent(p, 0, rows, null, 1e-6f, rotation);
        refuses("layer is -1", out, () -> ops.attend(p, -1, q, kvB, score, f32, out));
        refuses("q", out, () -> ops.attend(p, 0, x(N, 3, 8), kvB, score, f32, out));
        refuses("kvB", out, () -> ops.attend(p, 0, q, w(33, 15), score, f32, out));
        refuses("score", out, () -> ops.attend(p, 0, q, kvB, null, f32, out));
        refuses(
            "alibiSlopes",
            out,
            () -> ops.attend(p, 0, q, kvB, new AttentionScore(1, x(2)), f32, out));
        refuses("q", latents, () -> ops.attendAbsorbed(p, 0, q, score, f32, latents, null));
        refuses("lse", latents, () -> ops.attendAbsorbed(p, 0, qa, score, f32, latents, x(N, 4)));
        for (float scale : new float[] {Float.NaN, 0, -1, Float.POSITIVE_INFINITY}) {
          refuses("scale", out, () -> AttentionScore.of(scale));
        }
        ops.attend(p, 0, q, kvB, score, f32, out);
      }
      DecodePlan ended = plan;
      assertThrows(
          InvalidStateException.class, () -> ops.attend(ended, 0, q, kvB, score, f32, out));
    }
  }

  /** Page tables that point out of the pool. */
  @ParameterizedTest
  @MethodSource("kernels")
  void kernelsRefusePagesOutsideOfThePool(TileKernels kernels) {
    int queries = 2;
    int kv = 7;
    for (CacheType type : CacheType.all()) {
      CacheParams cache =
          new CacheParams(
              LatentLayout.of(SHAPE, type),
              2,
              5,
              2 * LatentLayout.of(SHAPE, type).rowStrideBytes());
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
            Tensor kvB = x((long) SHAPE.heads() * (SHAPE.nope() + SHAPE.value()), SHAPE.latent());
            Tensor out = Tensors.nan(queries, SHAPE.heads(), SHAPE.latent());
            Tensor lse = Tensors.nan(queries, SHAPE.heads());
            AttentionParams params = attentionParams(queries, kv);
            long workspace =
                Math.max(
                    kernels.attentionWorkspace(params, cache, false),
                    kernels.attentionWorkspace(params, cache, true));
            MemorySegment scratch = memory.allocate(workspace, 64);
            InvalidArgumentException e =
                assertThrows(
                    InvalidArgumentException.class,
                    () ->
                        kernels.attendAbsorbed(
                            params,
                            cache,
                            q.segment(),
                            pages,
                            table,
                            MemorySegment.NULL,
                            0,
                            SHAPE.heads(),
                            0,
                            queries,
                            0,
                            kv,
                            out.segment(),
                            lse.segment(),
                            scratch),
                    name);
            assertTrue(e.getMessage().contains("page_table[" + at + "]"), e.getMessage());
            e =
                assertThrows(
                    InvalidArgumentException.class,
                    () ->
                        kernels.attendDecompressed(
                            params,
                            cache,
                            q.segment(),
                            kvB.segment(),
                            MemorySegment.NULL,
                            pages,
                            table,
                            MemorySegment.NULL,
                            0,
                            SHAPE.heads(),
                            0,
                            queries,
                            out.segment(),
                            lse.segment(),
                            scratch),
                    name);
            assertTrue(e.getMessage().contains("page_table[" + at + "]"), e.getMessage());
            e =
                assertThrows(
                    InvalidArgumentException.class,
                    () ->
                        kernels.append(
                            new AppendParams(kv, 0, RopeLayout.PAIRS, 1e-6f, SHAPE.cached()),
                            cache,
                            x(kv, SHAPE.cached()).segment(),
                            MemorySegment.NULL,
                            x(kv, SHAPE.rope() / 2).segment(),
                            x(kv, SHAPE.rope() / 2).segment(),
                            table,
                            0,
                            kv,
                            pages),
                    name);
            assertTrue(e.getMessage().contains("page_table[" + at + "]"), e.getMessage());
            memory.verify();
          }
        }
      }
    }
  }

  private static AttentionParams attentionParams(int queries, int kv) {
    int heads = SHAPE.heads();
    int latent = SHAPE.latent();
    return new AttentionParams(
        ComputeType.F32,
        heads,
        queries,
        kv,
        true,
        SHAPE.nope(),
        SHAPE.value(),
        StorageFormat.F32,
        0,
        0,
        0.3f,
        0,
        (long) heads * SHAPE.cached(),
        SHAPE.cached(),
        (long) heads * latent,
        latent,
        heads,
        1,
        (long) (SHAPE.nope() + SHAPE.value()) * latent,
        latent);
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void kernelsRefuseTokensAndSlotsThatDoNotExist(TileKernels kernels) {
    for (int bad : new int[] {-1, 10, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      Tensor out = Tensors.nan(3, 8);
      Tensor ids = Tensors.ints(0, bad, 3);
      InvalidArgumentException e =
          assertThrows(
              InvalidArgumentException.class,
              () ->
                  kernels.embed(
                      StorageFormat.F32,
                      x(10, 8).segment(),
                      8,
                      10,
                      ids.segment(),
                      3,
                      8,
                      1,
                      out.segment(),
                      8));
      assertTrue(e.getMessage().contains("ids[1] is " + bad), e.getMessage());
      e =
          assertThrows(
              InvalidArgumentException.class,
              () ->
                  kernels.combine(
                      x(10, 8).segment(),
                      8,
                      10,
                      ids.segment(),
                      x(3).segment(),
                      MemorySegment.NULL,
                      0,
                      1,
                      3,
                      8,
                      out.segment(),
                      8));
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
  void routingOfNaNChoosesExperts(TileKernels kernels) {
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
          Tensor weights = Tensors.nan(routing.topK());
          kernels.route(
              new RouteParams(1, routing, 12),
              logits.segment(),
              MemorySegment.NULL,
              0,
              1,
              experts.segment(),
              weights.segment());
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
