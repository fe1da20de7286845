package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Attention;
import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.cuda.CudaBackend;
import io.mla4j.cuda.CudaTestLibrary;
import io.mla4j.cuda.Emulator;
import io.mla4j.spi.Backend;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Operations over pools and batches on a CUDA device against the scalar ones. */
class CudaOpsTest {
  private final Device cuda =
      CudaBackend.of(CudaTestLibrary.file()).open(new Backend.Options(0, null));
  private final Device scalar =
      new CpuDevice("scalar", new ScalarKernels(), CpuDevice.ARENA_ALLOCATOR, 1);

  @AfterEach
  void close() {
    cuda.close();
    scalar.close();
    if (CudaTestLibrary.isEmulated()) {
      assertEquals("", Emulator.get().takeReports());
    }
  }

  /** Float32 sums in another order; rounded probabilities and queries. */
  private static void assertClose(String name, float[] expected, float[] actual, boolean rounds) {
    assertEquals(expected.length, actual.length, name);
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      assertFalse(Float.isNaN(actual[i]), name);
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
    }
    assertTrue(difference <= (rounds ? 1e-2 : 2e-5) * largest, name + ": " + difference);
  }

  private static float[] floats(int[] bits) {
    float[] floats = new float[bits.length];
    for (int i = 0; i < bits.length; i++) {
      floats[i] = Float.intBitsToFloat(bits[i]);
    }
    return floats;
  }

  @ParameterizedTest
  @CsvSource({"F32, F32, 1", "F32, BF16, 5", "BF16, BF16, 64", "BF16, F32, 5", "BF16, BF16, 1"})
  void batchesOfDifferentLengths(ComputeType compute, CacheType type, int page) {
    MlaShape shape = new MlaShape(3, 32, 8, 16, 24);
    List<OpsSameBitsTest.Text> texts =
        List.of(
            new OpsSameBitsTest.Text(1, 70, 1),
            new OpsSameBitsTest.Text(2, 0, 18),
            new OpsSameBitsTest.Text(3, 33, 2),
            new OpsSameBitsTest.Text(4, 9, 0));
    Map<String, int[]> expected = OpsSameBitsTest.attend(scalar, shape, compute, type, page, texts);
    Map<String, int[]> all = OpsSameBitsTest.attend(cuda, shape, compute, type, page, texts);
    assertEquals(expected.keySet(), all.keySet());
    boolean rounds = compute == ComputeType.BF16;
    all.forEach(
        (name, bits) -> assertClose(name, floats(expected.get(name)), floats(bits), rounds));
    List<List<OpsSameBitsTest.Text>> others = new ArrayList<>(List.of(texts.reversed()));
    texts.forEach(text -> others.add(List.of(text)));
    for (List<OpsSameBitsTest.Text> other : others) {
      OpsSameBitsTest.attend(cuda, shape, compute, type, page, other)
          .forEach((name, bits) -> assertArrayEquals(all.get(name), bits, name + " in " + other));
    }
  }

  private static float[] numbers(long seed, int count) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    return numbers;
  }

  private static final int LATENT = 32;
  private static final int ROPE = 8;
  private static final int HEADS = 3;
  private static final float[] QUERY = numbers(0, HEADS * (LATENT + ROPE));

  private static LatentCache pool(Device device, CacheType type) {
    return LatentCache.builder(device)
        .layout(new LatentLayout(LATENT, ROPE, type))
        .layers(1)
        .pageSize(5)
        .tokens(60)
        .build();
  }

  private static Attention attention(LatentCache cache) {
    return Attention.absorbed(cache, HEADS, AttentionScore.of(0.15f), ComputeType.F32);
  }

  private static float[] rows(long seed, int count) {
    return numbers(seed, count * (LATENT + ROPE));
  }

  /** What sequences give that share pages, copy them and become shorter. */
  private static List<float[]> fork(Device device, CacheType type) {
    List<float[]> results = new ArrayList<>();
    try (LatentCache cache = pool(device, type);
        Sequence a = cache.newSequence()) {
      Attention attention = attention(cache);
      attention.append(a, rows(1, 7));
      results.add(attention.decode(a, QUERY));
      try (Sequence b = a.fork()) {
        attention.append(b, rows(2, 1));
        attention.append(a, rows(3, 2));
        results.add(attention.decode(a, QUERY));
        results.add(attention.decode(b, QUERY));
        b.truncate(3);
        attention.append(b, rows(4, 6));
        results.add(attention.decode(b, QUERY));
        results.add(attention.decode(a, QUERY));
      }
      assertEquals(cache.pages() - 2, cache.freePages());
    }
    return results;
  }

  @ParameterizedTest
  @ValueSource(strings = {"F32", "BF16"})
  void forksCopyOnWrite(String name) {
    CacheType type = CacheType.of(name);
    List<float[]> expected = fork(scalar, type);
    List<float[]> actual = fork(cuda, type);
    for (int i = 0; i < expected.size(); i++) {
      // A float32 error before the rounding of a row may make it another bf16.
      assertClose("result " + i, expected.get(i), actual.get(i), type == CacheType.BF16);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"INT8", "FP8", "INT4"})
  void typesUnderScalesAreRefusedByName(String name) {
    try (LatentCache cache = pool(cuda, CacheType.of(name));
        Sequence sequence = cache.newSequence()) {
      Attention attention = attention(cache);
      String message =
          assertThrows(InvalidArgumentException.class, () -> attention.append(sequence, rows(1, 7)))
              .getMessage();
      assertTrue(message.contains("cache type is " + name), message);
      assertTrue(message.contains("cuda backend computes with F32 or BF16"), message);
      assertEquals(0, sequence.length());
      assertEquals(cache.pages(), cache.freePages());
    }
  }

  @Test
  void pagesGoToTheHostAndBack() {
    try (LatentCache cache = pool(cuda, CacheType.BF16);
        Sequence sequence = cache.newSequence()) {
      Attention attention = attention(cache);
      attention.append(sequence, rows(1, 12));
      float[] expected = attention.decode(sequence, QUERY);
      byte[] snapshot = new byte[(int) cache.bytes()];
      MemorySegment pages;
      try (Step step = Batch.of(sequence).reserve(0)) {
        MlaShape shape = new MlaShape(HEADS, LATENT, ROPE, 16, 16);
        DecodePlan plan = step.plan(shape, AttentionForm.ABSORBED);
        pages = PagedView.of(plan).layerBase(0).asSlice(0, snapshot.length);
      }
      cuda.copy(pages, 0, MemorySegment.ofArray(snapshot), 0, snapshot.length);
      cuda.copy(MemorySegment.ofArray(new byte[snapshot.length]), 0, pages, 0, snapshot.length);
      float[] zeros = attention.decode(sequence, QUERY);
      assertArrayEquals(new float[zeros.length], zeros);
      cuda.copy(MemorySegment.ofArray(snapshot), 0, pages, 0, snapshot.length);
      assertArrayEquals(expected, attention.decode(sequence, QUERY));
    }
  }

  /** A page that is copied for a step and an operation must not wait for each other. */
  @Test
  void threadsShareAPool() {
    try (LatentCache cache = pool(cuda, CacheType.F32);
        Sequence first = cache.newSequence();
        Sequence second = cache.newSequence()) {
      attention(cache).append(first, rows(1, 7));
      attention(cache).append(second, rows(2, 7));
      float[] expected = attention(cache).decode(second, QUERY);
      assertTimeoutPreemptively(
          Duration.ofMinutes(3),
          () -> {
            AtomicBoolean done = new AtomicBoolean();
            Thread forks =
                Thread.ofPlatform()
                    .daemon()
                    .start(
                        () -> {
                          while (!done.get()) {
                            try (Sequence fork = first.fork();
                                Step _ = Batch.of(fork).reserve(1)) {
                              // the page of the fork is copied, and given back
                            }
                          }
                        });
            for (int i = 0; i < 100; i++) {
              assertArrayEquals(expected, attention(cache).decode(second, QUERY));
            }
            done.set(true);
            forks.join();
          });
    }
  }

  @Test
  void aPageThatCannotBeCopiedChangesNothing() {
    Emulator emulator = Emulator.get();
    try (LatentCache cache = pool(cuda, CacheType.F32);
        Sequence first = cache.newSequence()) {
      Attention attention = attention(cache);
      attention.append(first, rows(1, 7));
      float[] expected = attention.decode(first, QUERY);
      try (Sequence other = cache.newSequence();
          Sequence fork = first.fork()) {
        int free = cache.freePages();
        emulator.loseDevice();
        assertThrows(io.mla4j.DeviceLostException.class, () -> Batch.of(other, fork).reserve(2, 1));
        assertEquals(free, cache.freePages());
        emulator.reset();
        Batch.of(other, fork).reserve(2, 1).close();
        assertArrayEquals(expected, attention.decode(fork, QUERY));
      }
    } finally {
      emulator.reset();
    }
  }

  // Mixtures

  private record Experts(Mixture.Weights hosts, Mixture.Weights onDevice) {}

  private Experts experts(
      Arena arena,
      ComputeType compute,
      Routing routing,
      StorageFormat gate,
      StorageFormat up,
      StorageFormat down) {
    SplittableRandom random = new SplittableRandom(8);
    int width = 24;
    int inner = 40;
    List<Weight> gates = weights(random, gate, routing.experts(), inner, width);
    List<Weight> ups = weights(random, up, routing.experts(), inner, width);
    List<Weight> downs = weights(random, down, routing.experts(), width, inner);
    Weight router = Tensors.weight(random, StorageFormat.F32, routing.experts(), width);
    Tensor bias = Tensors.random(random, 0.1, routing.experts());
    FeedForward.Weights shared = OpsSameBitsTest.network(random, StorageFormat.BF16, width, 50);
    return new Experts(
        new Mixture.Weights(routing, router, bias, networks(gates, ups, downs), shared),
        new Mixture.Weights(
            routing,
            cuda.place(List.of(router), ComputeType.F32, arena).getFirst(),
            Tensors.on(cuda, arena, bias),
            networks(
                cuda.place(gates, compute, arena),
                cuda.place(ups, compute, arena),
                cuda.place(downs, compute, arena)),
            networks(
                    cuda.place(List.of(shared.gate()), compute, arena),
                    cuda.place(List.of(shared.up()), compute, arena),
                    cuda.place(List.of(shared.down()), compute, arena))
                .getFirst()));
  }

  private static List<Weight> weights(
      SplittableRandom random, StorageFormat type, int count, int out, int in) {
    return IntStream.range(0, count).mapToObj(_ -> Tensors.weight(random, type, out, in)).toList();
  }

  private static List<FeedForward.Weights> networks(
      List<Weight> gates, List<Weight> ups, List<Weight> downs) {
    return IntStream.range(0, gates.size())
        .mapToObj(e -> new FeedForward.Weights(gates.get(e), ups.get(e), downs.get(e)))
        .toList();
  }

  private static Routing grouped() {
    return new Routing(
        12,
        3,
        Routing.Score.SIGMOID,
        4,
        2,
        Routing.GroupScore.TOP2_SUM,
        Routing.GroupMask.ZERO,
        true,
        2.5f);
  }

  @ParameterizedTest
  @CsvSource({
    "F32, BF16, BF16, BF16",
    "F32, F32, F32, F32",
    "F32, BF16, F32, BF16",
    "F32, F16, BF16, F16",
    "BF16, BF16, BF16, BF16"
  })
  void mixturesOfExperts(
      ComputeType compute, StorageFormat gate, StorageFormat up, StorageFormat down) {
    try (Arena arena = Arena.ofShared()) {
      Experts experts = experts(arena, compute, grouped(), gate, up, down);
      Tensor x = Tensors.random(new SplittableRandom(9), 1, 11, 24);
      Tensor expected = Tensors.nan(11, 24);
      scalar.run(new Mixture(x, experts.hosts(), compute, expected));
      Tensor out = Tensors.on(cuda, arena, Tensors.nan(11, 24));
      cuda.run(new Mixture(Tensors.on(cuda, arena, x), experts.onDevice(), compute, out));
      float[] all = floats(Tensors.bits(Tensors.back(cuda, out)));
      assertClose(
          gate + ", " + up + ", " + down,
          floats(Tensors.bits(expected)),
          all,
          compute == ComputeType.BF16);
      Tensor alone = Tensors.on(cuda, arena, Tensors.nan(1, 24));
      cuda.run(
          new Mixture(Tensors.on(cuda, arena, x).slice(5, 1), experts.onDevice(), compute, alone));
      assertArrayEquals(
          java.util.Arrays.copyOfRange(all, 5 * 24, 6 * 24),
          floats(Tensors.bits(Tensors.back(cuda, alone))));
    }
  }

  @Test
  void expertsMustLieTogether() {
    try (Arena arena = Arena.ofShared()) {
      Mixture.Weights good =
          experts(
                  arena,
                  ComputeType.F32,
                  grouped(),
                  StorageFormat.F32,
                  StorageFormat.F32,
                  StorageFormat.F32)
              .onDevice();
      List<FeedForward.Weights> shuffled = new ArrayList<>(good.experts());
      shuffled.add(shuffled.remove(3));
      Mixture.Weights bad =
          new Mixture.Weights(good.routing(), good.router(), good.bias(), shuffled, good.shared());
      Tensor x = Tensors.on(cuda, arena, Tensors.random(new SplittableRandom(1), 1, 2, 24));
      Exception e =
          assertThrows(
              InvalidArgumentException.class,
              () -> cuda.run(new Mixture(x, bad, ComputeType.F32, x)));
      assertTrue(e.getMessage().startsWith("weights.experts[3].gate"), e.getMessage());
    }
  }
}
