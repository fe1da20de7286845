package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.spi.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given the operations on a CPU over each set of kernels, when they run on 1, 2, 3 or 5 threads,
 * for a sequence or a token alone or among others, then the bits are the same.
 */
class OpsSameBitsTest {
  /** Float32 error of sums in another order, as a part of the largest value. */
  private static final double FORMS_AGREE = 2e-5;

  private static final int[] THREADS = {2, 3, 5};

  private static final int PAGE = 24;
  private static final int POOL_TOKENS = 2400;

  static Stream<Kernels> kernels() {
    return AllKernels.ofSequences();
  }

  private static Device device(Kernels kernels, int threads) {
    return new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, threads);
  }

  /** A sequence by its sizes; its numbers follow from the seed. */
  record Text(long seed, int cached, int added) {
    Tensor rows(int width) {
      return Tensors.random(new SplittableRandom(seed), 0.3, cached + added, width);
    }

    Tensor queries(MlaShape s) {
      return Tensors.random(
          new SplittableRandom(seed + 1), 1, added, (long) s.heads() * (s.cached() + s.query()));
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void attentionOfSequences(Kernels kernels) {
    for (long seed : Seeds.of(6, 2)) {
      SplittableRandom random = new SplittableRandom(seed);
      MlaShape shape =
          new MlaShape(
              random.nextInt(1, 100),
              random.nextInt(16, 80),
              2 * random.nextInt(0, 17),
              random.nextInt(1, 33),
              random.nextInt(1, 33));
      boolean codes = Math.floorMod(seed, 4L) == 3;
      ComputeType compute =
          codes ? ComputeType.INT8 : ComputeType.values()[(int) Math.floorMod(seed, 2L)];
      CacheType type =
          codes
              ? CacheType.INT8
              : CacheType.all().get((int) Math.floorMod(seed / 2, (long) CacheType.all().size()));
      List<Text> texts =
          List.of(
              new Text(seed + 10, random.nextInt(300, 900), 1),
              new Text(seed + 20, 0, random.nextInt(2, 30)),
              new Text(seed + 30, random.nextInt(1, 100), random.nextInt(1, 5)),
              new Text(seed + 40, random.nextInt(1, 40), 0));
      String name =
          kernels.isa() + " " + shape + " " + compute + " " + type + ", " + Seeds.reproduce(seed);
      Map<String, int[]> expected = new LinkedHashMap<>();
      try (Device device = device(kernels, 1)) {
        expected.putAll(attend(device, shape, compute, type, PAGE, texts));
        for (Text text : texts) {
          compare(
              name + ", alone",
              expected,
              attend(device, shape, compute, type, PAGE, List.of(text)));
        }
        compare(
            name + ", other way round",
            expected,
            attend(device, shape, compute, type, PAGE, texts.reversed()));
      }
      if (compute == ComputeType.F32) {
        texts.forEach(text -> requireFormsAgree(name, text, expected));
      }
      for (int threads : THREADS) {
        try (Device device = device(kernels, threads)) {
          compare(
              name + ", threads " + threads,
              expected,
              attend(device, shape, compute, type, PAGE, texts));
        }
      }
    }
  }

  /**
   * Given attention by integer products, when a query is the first of many or the only one, then
   * its bits are the same: those behind it and their tokens change nothing.
   */
  @ParameterizedTest
  @MethodSource("kernels")
  void integersOfAQueryDoNotDependOnLaterTokens(Kernels kernels) {
    for (int heads : new int[] {1, 3, 16, 20, 40}) {
      MlaShape shape = new MlaShape(heads, 160, 16, 8, 8);
      for (int cached : new int[] {0, 100, 250}) {
        Text many = new Text(5, cached, 40);
        Text first = new Text(5, cached, 1);
        try (Device device = device(kernels, 1)) {
          String name = kernels.isa() + ", " + heads + " heads, " + cached + " cached, ";
          for (String result : List.of("latent", "lse")) {
            int[] expected = integers(device, shape, first).get(result + " of " + first);
            int[] actual = integers(device, shape, many).get(result + " of " + many);
            assertArrayEquals(expected, Arrays.copyOf(actual, expected.length), name + result);
          }
        }
      }
    }
  }

  private static Map<String, int[]> integers(Device device, MlaShape shape, Text text) {
    return attend(device, shape, ComputeType.INT8, CacheType.INT8, PAGE, List.of(text));
  }

  private static void requireFormsAgree(String name, Text text, Map<String, int[]> results) {
    int[] absorbed = results.get("attend " + AttentionForm.ABSORBED + " of " + text);
    int[] decompressed = results.get("attend " + AttentionForm.DECOMPRESSED + " of " + text);
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < absorbed.length; i++) {
      double a = Float.intBitsToFloat(absorbed[i]);
      largest = Math.max(largest, Math.abs(a));
      difference = Math.max(difference, Math.abs(a - Float.intBitsToFloat(decompressed[i])));
    }
    assertTrue(
        difference <= FORMS_AGREE * largest,
        name + ": the forms differ by " + difference + " of " + largest + " for " + text);
  }

  private static void compare(String name, Map<String, int[]> expected, Map<String, int[]> actual) {
    assertTrue(!actual.isEmpty());
    actual.forEach((key, bits) -> assertArrayEquals(expected.get(key), bits, name + ": " + key));
  }

  /** Bits of every result, by the text that it belongs to. */
  static Map<String, int[]> attend(
      Device device,
      MlaShape shape,
      ComputeType compute,
      CacheType type,
      int pageSize,
      List<Text> texts) {
    Map<String, int[]> results = new LinkedHashMap<>();
    int width = shape.cached();
    SplittableRandom shared = new SplittableRandom(99);
    Weight latentUp =
        Tensors.weight(
            shared,
            StorageFormat.BF16,
            (long) shape.heads() * (shape.nope() + shape.value()),
            shape.latent());
    Tensor hostNorm = Tensors.random(shared, 1, shape.latent());
    Tensor slopes = Tensors.random(shared, 0.01, shape.heads());
    try (Arena arena = Arena.ofShared();
        LatentCache cache =
            LatentCache.builder(device)
                .layout(LatentLayout.of(shape, type))
                .pageSize(pageSize)
                .pages(POOL_TOKENS / pageSize)
                .build()) {
      UnaryOperator<Tensor> on = tensor -> Tensors.on(device, arena, tensor);
      Weight placed = device.place(List.of(latentUp), compute, arena).getFirst();
      Tensor norm = on.apply(hostNorm);
      AttentionScore score =
          new AttentionScore(0.7f / (float) Math.sqrt(shape.query()), on.apply(slopes));
      Sequence[] sequences = texts.stream().map(_ -> cache.newSequence()).toArray(Sequence[]::new);
      Batch batch = Batch.of(sequences);
      for (int i = 0; i < sequences.length; i++) {
        Text text = texts.get(i);
        try (Step step = Batch.of(sequences[i]).reserve(text.cached())) {
          DecodePlan plan = step.plan(shape, AttentionForm.AUTO);
          Tensor old = text.rows(width).first(text.cached());
          device.run(
              new AppendLatent(
                  0,
                  on.apply(old),
                  norm,
                  1e-6f,
                  on(on, rotation(text, 0, text.cached(), shape.rope()))),
              plan);
          step.commit();
        }
      }
      try (Step step = batch.reserve(texts.stream().mapToInt(Text::added).toArray())) {
        int n = step.tokens();
        Tensor added = Tensors.nan(n, width);
        Tensor cosines = Tensors.nan(n, shape.rope() / 2);
        Tensor sines = Tensors.nan(n, shape.rope() / 2);
        Tensor absorbed = Tensors.nan(n, shape.heads(), width);
        Tensor plain = Tensors.nan(n, shape.heads(), shape.query());
        DecodePlan auto = step.plan(shape, AttentionForm.AUTO);
        for (int i = 0; i < sequences.length; i++) {
          Text text = texts.get(i);
          int first = auto.firstToken(i);
          copy(text.rows(width).slice(text.cached(), text.added()), 0, width, added, first);
          Rotation rotation = rotation(text, text.cached(), text.added(), shape.rope());
          copy(rotation.cosines(), 0, shape.rope() / 2, cosines, first);
          copy(rotation.sines(), 0, shape.rope() / 2, sines, first);
          Tensor queries = text.queries(shape);
          copy(queries, 0, shape.heads() * width, absorbed, first);
          copy(queries, shape.heads() * width, shape.heads() * shape.query(), plain, first);
        }
        device.run(
            new AppendLatent(
                0,
                on.apply(added),
                norm,
                1e-6f,
                new Rotation(on.apply(cosines), on.apply(sines), RopeLayout.PAIRS)),
            auto);
        Tensor out = on.apply(Tensors.nan(n, shape.heads(), shape.latent()));
        Tensor lse = on.apply(Tensors.nan(n, shape.heads()));
        device.run(new AttendAbsorbed(0, on.apply(absorbed), score, compute, out, lse), auto);
        collect("latent", auto, texts, Tensors.back(device, out), results);
        collect("lse", auto, texts, Tensors.back(device, lse), results);
        for (AttentionForm form : AttentionForm.values()) {
          Tensor values = on.apply(Tensors.nan(n, shape.heads(), shape.value()));
          DecodePlan plan = step.plan(shape, form);
          device.run(
              new Attend(
                  0, plan.shape(), on.apply(plain), LatentUp.fused(placed), score, compute, values),
              plan);
          collect("attend " + form, plan, texts, Tensors.back(device, values), results);
        }
      }
    }
    return results;
  }

  private static Rotation on(UnaryOperator<Tensor> on, Rotation r) {
    return new Rotation(on.apply(r.cosines()), on.apply(r.sines()), r.layout());
  }

  private static Rotation rotation(Text text, int from, int count, int rope) {
    Tensor cosines = Tensors.nan(count, rope / 2);
    Tensor sines = Tensors.nan(count, rope / 2);
    for (int t = 0; t < count; t++) {
      for (int i = 0; i < rope / 2; i++) {
        double angle = (from + t) * Math.pow(100, -2.0 * i / rope);
        long at = (long) t * (rope / 2) + i;
        cosines.segment().setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) Math.cos(angle));
        sines.segment().setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) Math.sin(angle));
      }
    }
    return new Rotation(cosines, sines, RopeLayout.PAIRS);
  }

  /** Columns {@code column ..} of all rows to rows {@code first ..}. */
  private static void copy(Tensor from, int column, int width, Tensor to, int first) {
    for (long t = 0; t < from.dim(0); t++) {
      java.lang.foreign.MemorySegment.copy(
          from.segment(),
          4 * (t * from.stride(0) + column),
          to.segment(),
          4L * (first + t) * width,
          4L * width);
    }
  }

  private static void collect(
      String name, DecodePlan plan, List<Text> texts, Tensor out, Map<String, int[]> results) {
    for (int i = 0; i < texts.size(); i++) {
      int[] bits = Tensors.bits(out.slice(plan.firstToken(i), plan.queryTokens(i)));
      for (int b : bits) {
        assertTrue(!Float.isNaN(Float.intBitsToFloat(b)), name + " has NaN");
      }
      results.put(name + " of " + texts.get(i), bits);
    }
  }

  /** An operation over n tokens: inputs and output by row. */
  private record RowOperation(String name, int outWidth, Run run) {
    interface Run {
      void run(Device ops, int first, int count, Tensor out);
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void operationsOnTokens(Kernels kernels) {
    int n = 75; // more than the rows that are packed by the caller alone
    for (ComputeType compute : ComputeType.values()) {
      for (StorageFormat type : List.of(StorageFormat.F32, StorageFormat.BF16, StorageFormat.F16)) {
        for (RowOperation operation : operations(n, compute, type)) {
          String name = kernels.isa() + " " + operation.name() + " " + compute + " " + type;
          int[] expected;
          try (Device device = device(kernels, 1)) {
            expected = run(device, operation, 0, n);
            for (int first : new int[] {0, 1, 37, n - 1}) {
              int count = first == 37 ? 20 : 1;
              int[] part =
                  IntStream.range(
                          first * operation.outWidth(), (first + count) * operation.outWidth())
                      .map(i -> expected[i])
                      .toArray();
              assertArrayEquals(part, run(device, operation, first, count), name + " alone");
            }
          }
          for (int threads : THREADS) {
            try (Device device = device(kernels, threads)) {
              assertArrayEquals(
                  expected, run(device, operation, 0, n), name + ", threads " + threads);
            }
          }
        }
      }
    }
  }

  private static int[] run(Device device, RowOperation operation, int first, int count) {
    Tensor out = Tensors.nan(count, operation.outWidth());
    operation.run().run(device, first, count, out);
    return Tensors.bits(out);
  }

  private static List<RowOperation> operations(int n, ComputeType compute, StorageFormat type) {
    SplittableRandom random = new SplittableRandom(5);
    int in = 131;
    int heads = 5;
    MlaShape s = new MlaShape(heads, 40, 6, 19, 23);
    Tensor x = Tensors.random(random, 1, n, in);
    Tensor q = Tensors.random(random, 1, n, heads, s.query());
    Tensor latents = Tensors.random(random, 1, n, heads, s.latent());
    Weight wide = Tensors.weight(random, type, 601, in);
    Weight narrow = Tensors.weight(random, type, 7, in);
    Tensor bias = Tensors.random(random, 1, 601);
    Weight latentUp = Tensors.weight(random, type, heads * (s.nope() + s.value()), s.latent());
    Tensor norm = Tensors.random(random, 1, in);
    FeedForward.Weights network = network(random, type, in, 90);
    List<FeedForward.Weights> experts = new ArrayList<>();
    for (int e = 0; e < 12; e++) {
      experts.add(network(random, type, in, 30));
    }
    Routing routing =
        new Routing(
            12,
            3,
            Routing.Score.SIGMOID,
            4,
            2,
            Routing.GroupScore.TOP2_SUM,
            Routing.GroupMask.ZERO,
            true,
            2.5f);
    Mixture.Weights mixture =
        new Mixture.Weights(
            routing,
            Tensors.weight(random, StorageFormat.F32, 12, in),
            Tensors.random(random, 0.1, 12),
            experts,
            network);
    return List.of(
        new RowOperation(
            "linear",
            601,
            (ops, first, count, out) ->
                ops.run(
                    new Linear(
                        x.slice(first, count),
                        List.of(
                            new Linear.Projection(narrow, null, Tensors.nan(count, 7)),
                            new Linear.Projection(wide, bias, out)),
                        compute))),
        new RowOperation(
            "absorb",
            heads * s.cached(),
            (ops, first, count, out) ->
                ops.run(
                    new Absorb(
                        q.slice(first, count),
                        LatentUp.fused(latentUp),
                        compute,
                        out.reshape(count, heads, s.cached())))),
        new RowOperation(
            "expand",
            heads * s.value(),
            (ops, first, count, out) ->
                ops.run(
                    new Expand(
                        latents.slice(first, count),
                        LatentUp.fused(latentUp),
                        compute,
                        out.reshape(count, heads, s.value())))),
        new RowOperation(
            "feedForward",
            in,
            (ops, first, count, out) ->
                ops.run(new FeedForward(x.slice(first, count), network, compute, out))),
        new RowOperation(
            "mixture",
            in,
            (ops, first, count, out) ->
                ops.run(new Mixture(x.slice(first, count), mixture, compute, out))),
        new RowOperation(
            "rmsNorm",
            in,
            (ops, first, count, out) ->
                ops.run(new RmsNorm(x.slice(first, count), norm, 1e-6f, out))),
        new RowOperation(
            "add",
            in,
            (ops, first, count, out) ->
                ops.run(new Add(x.slice(first, count), x.slice(first, count), 0.3f, out))));
  }

  static FeedForward.Weights network(
      SplittableRandom random, StorageFormat type, int in, int inner) {
    return new FeedForward.Weights(
        Tensors.weight(random, type, inner, in),
        Tensors.weight(random, type, inner, in),
        Tensors.weight(random, type, in, inner));
  }
}
