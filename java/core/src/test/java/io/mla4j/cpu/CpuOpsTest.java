package io.mla4j.cpu;

import static io.mla4j.TestTensors.floats;
import static io.mla4j.TestTensors.poisoned;
import static io.mla4j.TestTensors.random;
import static io.mla4j.TestTensors.weight;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.BoundOperation;
import io.mla4j.CacheType;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.InvalidStateException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Oracle;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.TestTensors;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Bf16;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Floats;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.Backend;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The operations with scalar kernels: values against plain formulas, bits against themselves on
 * other threads and in other batches.
 */
class CpuOpsTest {
  private static final double TOLERANCE = 1e-5;

  // Never closed: a mutation run goes through the class again and again in one JVM, and devices
  // that
  // are closed after the first time would have every change found.
  private static final Device ONE = device(1);
  private static final List<Device> DEVICES = List.of(ONE, device(2), device(5));

  private final Random random = new Random(11);

  private static Device device(int threads) {
    return new ScalarBackend().open(new Backend.Options(threads, null));
  }

  /**
   * Runs {@code operation} on every device into a fresh output; the bits must agree; returns them.
   */
  private static float[] sameOnAll(Call operation, long... outShape) {
    float[] first = null;
    for (Device device : DEVICES) {
      Tensor out = poisoned(outShape);
      operation.run(device, out);
      float[] result = floats(out);
      if (first == null) {
        first = result;
      }
      assertArrayEquals(first, result, device.threads() + " threads");
    }
    return first;
  }

  @FunctionalInterface
  private interface Call {
    void run(Device ops, Tensor out);
  }

  private static double[] doubles(Tensor tensor) {
    return Oracle.doubles(floats(tensor));
  }

  private static float[] rows(float[] all, int first, int count, int width) {
    return Arrays.copyOfRange(all, first * width, (first + count) * width);
  }

  @ParameterizedTest
  @ValueSource(strings = {"F32", "BF16", "F16"})
  void embedScalesRowsOfTheTable(String name) {
    StorageFormat type = StorageFormat.weight(name);
    Weight table = weight(random, type, 1, 50, 33);
    int[] ids = {0, 49, 7, 7, 12};
    float[] out =
        sameOnAll(
            (ops, o) -> ops.run(new Embed(table, TestTensors.ofInts(ids), 2.5f, o)),
            ids.length,
            33);
    for (int i = 0; i < ids.length; i++) {
      for (int j = 0; j < 33; j++) {
        assertEquals((float) (TestTensors.value(table, ids[i], j) * 2.5), out[i * 33 + j]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 50, Integer.MIN_VALUE})
  void embedRefusesIdsOutsideOfTheVocabulary(int id) {
    Weight table = weight(random, StorageFormat.F32, 1, 50, 8);
    Tensor ids = TestTensors.ofInts(3, id);
    Exception e =
        assertThrows(
            InvalidArgumentException.class,
            () -> ONE.run(new Embed(table, ids, 1, poisoned(2, 8))));
    assertEquals("ids[1] is " + id + ", but the vocabulary is 0..49", e.getMessage());
  }

  @Test
  void rmsNormDividesByTheRootOfTheMeanSquare() {
    Tensor x = random(random, 3, 7, 5000);
    Tensor w = random(random, 1, 5000);
    float[] out = sameOnAll((ops, o) -> ops.run(new RmsNorm(x, w, 1e-3f, o)), 7, 5000);
    double[] expected = doubles(x);
    float[] weights = floats(w);
    for (int t = 0; t < 7; t++) {
      double sum = 0;
      for (int i = 0; i < 5000; i++) {
        sum += expected[t * 5000 + i] * expected[t * 5000 + i];
      }
      for (int i = 0; i < 5000; i++) {
        expected[t * 5000 + i] *= weights[i] / Math.sqrt(sum / 5000 + 1e-3f);
      }
    }
    Oracle.assertClose(expected, out, TOLERANCE);
  }

  @Test
  void rmsNormAndAddMayWriteOverTheirInput() {
    Tensor x = random(random, 1, 40, 2000);
    Tensor w = random(random, 1, 2000);
    Tensor r = random(random, 1, 40, 2000);
    float[] normed = sameOnAll((ops, o) -> ops.run(new RmsNorm(x, w, 1e-6f, o)), 40, 2000);
    float[] added = sameOnAll((ops, o) -> ops.run(new Add(x, r, 0.5f, o)), 40, 2000);
    for (Device device : DEVICES) {
      Tensor inPlace = TestTensors.of(floats(x), 40, 2000);
      device.run(new RmsNorm(inPlace, w, 1e-6f, inPlace));
      assertArrayEquals(normed, floats(inPlace));
      Tensor residual = TestTensors.of(floats(r), 40, 2000);
      device.run(new Add(x, residual, 0.5f, residual));
      assertArrayEquals(added, floats(residual));
    }
    double[] expected = doubles(x);
    float[] addend = floats(r);
    for (int i = 0; i < expected.length; i++) {
      expected[i] += 0.5 * addend[i];
    }
    Oracle.assertClose(expected, added, TOLERANCE);
  }

  @ParameterizedTest
  @EnumSource(RopeLayout.class)
  void rotateTurnsPairsOfTheLastElements(RopeLayout layout) {
    Tensor q = random(random, 1, 9, 5, 24);
    Rotation rotation = TestTensors.rotation(random, 9, 10, layout);
    float[] out = sameOnAll((ops, o) -> ops.run(new Rotate(q, rotation, o)), 9, 5, 24);
    Oracle.assertClose(Oracle.rotate(doubles(q), 5, 24, rotation), out, TOLERANCE);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 17, 70, 130})
  void linearLayersThatShareAnInput(int n) {
    Tensor x = random(random, 1, n, 75);
    Weight a = weight(random, StorageFormat.BF16, 0.1, 130, 75);
    Weight b = weight(random, StorageFormat.F16, 0.1, 1, 75);
    Weight c = weight(random, StorageFormat.BF16, 0.1, 517, 75);
    Weight d = weight(random, StorageFormat.F32, 0.1, 49, 75);
    Tensor bias = random(random, 1, 517);
    List<float[]> first = null;
    for (Device device : DEVICES) {
      List<Tensor> outs =
          List.of(poisoned(n, 130), poisoned(n, 1), poisoned(n, 517), poisoned(n, 49));
      device.run(
          new Linear(
              x,
              List.of(
                  new Linear.Projection(a, null, outs.get(0)),
                  new Linear.Projection(b, null, outs.get(1)),
                  new Linear.Projection(c, bias, outs.get(2)),
                  new Linear.Projection(d, null, outs.get(3))),
              ComputeType.F32));
      List<float[]> results = outs.stream().map(TestTensors::floats).toList();
      first = first == null ? results : first;
      for (int i = 0; i < results.size(); i++) {
        assertArrayEquals(first.get(i), results.get(i));
      }
    }
    Oracle.assertClose(Oracle.linear(doubles(x), a, null), first.get(0), TOLERANCE);
    Oracle.assertClose(Oracle.linear(doubles(x), b, null), first.get(1), TOLERANCE);
    Oracle.assertClose(Oracle.linear(doubles(x), c, floats(bias)), first.get(2), TOLERANCE);
    Oracle.assertClose(Oracle.linear(doubles(x), d, null), first.get(3), TOLERANCE);
  }

  @ParameterizedTest
  @EnumSource(ComputeType.class)
  void rowAloneHasTheBitsOfTheRowInMany(ComputeType compute) {
    int n = 90;
    Tensor x = random(random, 1, n, 200);
    Weight w = weight(random, StorageFormat.BF16, 0.1, 301, 200);
    float[] all =
        sameOnAll(
            (ops, o) -> ops.run(new Linear(x, List.of(new Linear.Projection(w, null, o)), compute)),
            n,
            301);
    for (int t : new int[] {0, 1, 63, 64, 89}) {
      float[] alone =
          sameOnAll(
              (ops, o) ->
                  ops.run(
                      new Linear(
                          x.slice(t, 1), List.of(new Linear.Projection(w, null, o)), compute)),
              1,
              301);
      assertArrayEquals(rows(all, t, 1, 301), alone, "row " + t);
    }
  }

  @Test
  void bf16ComputeRoundsTheActivations() {
    Tensor x = random(random, 1, 4, 64);
    Weight w = weight(random, StorageFormat.F32, 0.1, 20, 64);
    float[] out =
        sameOnAll(
            (ops, o) ->
                ops.run(
                    new Linear(x, List.of(new Linear.Projection(w, null, o)), ComputeType.BF16)),
            4,
            20);
    double[] rounded = doubles(x);
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = Bf16.round((float) rounded[i]);
    }
    Oracle.assertClose(Oracle.linear(rounded, w, null), out, TOLERANCE);
  }

  @Test
  void stridedTensorsAreReadAndWrittenInPlace() {
    Tensor wide = random(random, 1, 6, 100);
    Tensor x =
        Tensor.strided(wide.segment(), StorageFormat.F32, new long[] {6, 40}, new long[] {100, 1});
    Weight w = weight(random, StorageFormat.F32, 0.1, 30, 40);
    Tensor space = poisoned(6, 50);
    Tensor out =
        Tensor.strided(space.segment(), StorageFormat.F32, new long[] {6, 30}, new long[] {50, 1});
    ONE.run(new Linear(x, List.of(new Linear.Projection(w, null, out)), ComputeType.F32));
    double[] dense = new double[6 * 40];
    float[] actual = new float[6 * 30];
    for (int t = 0; t < 6; t++) {
      for (int i = 0; i < 40; i++) {
        dense[t * 40 + i] = floats(wide)[t * 100 + i];
      }
      for (int i = 0; i < 50; i++) {
        float value = floats(space)[t * 50 + i];
        if (i < 30) {
          actual[t * 30 + i] = value;
        } else {
          assertTrue(Float.isNaN(value));
        }
      }
    }
    Oracle.assertClose(Oracle.linear(dense, w, null), actual, TOLERANCE);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 80})
  void feedForwardIsSwiglu(int n) {
    Tensor x = random(random, 1, n, 48);
    FeedForward.Weights w = network(48, 70, StorageFormat.BF16);
    float[] out = sameOnAll((ops, o) -> ops.run(new FeedForward(x, w, ComputeType.F32, o)), n, 48);
    Oracle.assertClose(Oracle.swiglu(doubles(x), w.gate(), w.up(), w.down()), out, TOLERANCE);
  }

  @Test
  void feedForwardWithoutGateIsSquaredRelu() {
    Tensor x = random(random, 1, 6, 48);
    FeedForward.Weights n = network(48, 70, StorageFormat.BF16);
    FeedForward.Weights w = new FeedForward.Weights(null, n.up(), n.down());
    float[] out = sameOnAll((ops, o) -> ops.run(new FeedForward(x, w, ComputeType.F32, o)), 6, 48);
    double[] inner = Oracle.linear(doubles(x), n.up(), null);
    for (int i = 0; i < inner.length; i++) {
      inner[i] = inner[i] * Math.max(0, inner[i]);
    }
    Oracle.assertClose(Oracle.linear(inner, n.down(), null), out, TOLERANCE);
  }

  private FeedForward.Weights network(int width, int inner, StorageFormat type) {
    return new FeedForward.Weights(
        weight(random, type, 0.2, inner, width),
        weight(random, type, 0.2, inner, width),
        weight(random, type, 0.2, width, inner));
  }

  private Mixture.Weights mixture(Routing routing, int width, boolean biased, boolean shared) {
    List<FeedForward.Weights> experts = new ArrayList<>();
    for (int e = 0; e < routing.experts(); e++) {
      experts.add(network(width, 20, StorageFormat.BF16));
    }
    return new Mixture.Weights(
        routing,
        weight(random, StorageFormat.F32, 0.3, routing.experts(), width),
        biased ? random(random, 0.1, routing.experts()) : null,
        experts,
        shared ? network(width, 36, StorageFormat.BF16) : null);
  }

  private static Routing deepseekV3(int experts, int topK) {
    return new Routing(
        experts,
        topK,
        Routing.Score.SIGMOID,
        4,
        2,
        Routing.GroupScore.TOP2_SUM,
        Routing.GroupMask.ZERO,
        true,
        2.5f);
  }

  private static Routing softmax(int experts, int topK) {
    return new Routing(
        experts,
        topK,
        Routing.Score.SOFTMAX,
        1,
        1,
        Routing.GroupScore.MAX,
        Routing.GroupMask.NEGATIVE_INFINITY,
        false,
        1);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 6, 75})
  void mixtureAddsTheChosenExpertsAndTheSharedOne(int n) {
    for (Routing routing : List.of(softmax(8, 3), deepseekV3(16, 4))) {
      for (boolean shared : new boolean[] {false, true}) {
        Mixture.Weights w = mixture(routing, 24, routing.groups() > 1, shared);
        Tensor x = random(random, 1, n, 24);
        float[] out = sameOnAll((ops, o) -> ops.run(new Mixture(x, w, ComputeType.F32, o)), n, 24);
        Oracle.assertClose(mixtureOracle(w, doubles(x), n), out, TOLERANCE);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 8})
  void expertsWithoutNetworksReturnTheirInput(int networks) {
    Mixture.Weights all = mixture(softmax(9, 4), 24, false, true);
    Mixture.Weights w =
        new Mixture.Weights(
            all.routing(),
            all.router(),
            null,
            all.experts().subList(0, networks),
            9 - networks,
            all.shared());
    Tensor x = random(random, 1, 7, 24);
    float[] out = sameOnAll((ops, o) -> ops.run(new Mixture(x, w, ComputeType.F32, o)), 7, 24);
    Oracle.assertClose(mixtureOracle(w, doubles(x), 7), out, TOLERANCE);
  }

  private static double[] mixtureOracle(Mixture.Weights w, double[] x, int n) {
    Routing r = w.routing();
    int width = x.length / n;
    double[] logits = Oracle.linear(x, w.router(), null);
    double[] out = new double[x.length];
    for (int t = 0; t < n; t++) {
      double[] row = Arrays.copyOfRange(x, t * width, (t + 1) * width);
      double[] score = Arrays.copyOfRange(logits, t * r.experts(), (t + 1) * r.experts());
      boolean sigmoid = r.score() == Routing.Score.SIGMOID;
      double all = Arrays.stream(score).map(Math::exp).sum();
      double[] choice = new double[score.length];
      for (int e = 0; e < score.length; e++) {
        score[e] = sigmoid ? 1 / (1 + Math.exp(-score[e])) : Math.exp(score[e]) / all;
        choice[e] = score[e] + (w.bias() == null ? 0 : floats(w.bias())[e]);
      }
      mask(r, choice);
      List<Integer> chosen =
          java.util.stream.IntStream.range(0, score.length)
              .boxed()
              .sorted((a, b) -> Double.compare(choice[b], choice[a]))
              .limit(r.topK())
              .toList();
      double sum = chosen.stream().mapToDouble(e -> score[e]).sum();
      for (int e : chosen) {
        double[] y = row;
        if (e < w.experts().size()) {
          FeedForward.Weights f = w.experts().get(e);
          y = Oracle.swiglu(row, f.gate(), f.up(), f.down());
        }
        double factor = (r.renormalize() ? score[e] / sum : score[e]) * r.scale();
        for (int i = 0; i < width; i++) {
          out[t * width + i] += factor * y[i];
        }
      }
      if (w.shared() != null) {
        FeedForward.Weights f = w.shared();
        double[] y = Oracle.swiglu(row, f.gate(), f.up(), f.down());
        for (int i = 0; i < width; i++) {
          out[t * width + i] += y[i];
        }
      }
    }
    return out;
  }

  private static void mask(Routing r, double[] choice) {
    if (r.groups() == 1) {
      return;
    }
    int size = choice.length / r.groups();
    double[] group = new double[r.groups()];
    for (int g = 0; g < r.groups(); g++) {
      double[] members = Arrays.copyOfRange(choice, g * size, (g + 1) * size);
      Arrays.sort(members);
      group[g] = members[size - 1] + members[size - 2];
    }
    double[] sorted = group.clone();
    Arrays.sort(sorted);
    double least = sorted[r.groups() - r.keptGroups()];
    for (int e = 0; e < choice.length; e++) {
      if (group[e / size] < least) {
        choice[e] = 0;
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ComputeType.class)
  void tokenAloneHasTheBitsOfTheTokenAmongOthersInMixture(ComputeType compute) {
    Mixture.Weights w = mixture(deepseekV3(16, 4), 24, true, true);
    Tensor x = random(random, 1, 33, 24);
    float[] all = sameOnAll((ops, o) -> ops.run(new Mixture(x, w, compute, o)), 33, 24);
    for (int t = 0; t < 33; t++) {
      Tensor one = x.slice(t, 1);
      float[] alone = sameOnAll((ops, o) -> ops.run(new Mixture(one, w, compute, o)), 1, 24);
      assertArrayEquals(rows(all, t, 1, 24), alone, "token " + t);
    }
  }

  @Test
  void mergeWeighsPartsByTheirLse() {
    Tensor parts = random(random, 1, 3, 4, 2, 10);
    Tensor lses = random(random, 2, 3, 4, 2);
    Tensor lse = poisoned(4, 2);
    float[] out = sameOnAll((ops, o) -> ops.run(new Merge(parts, lses, o, lse)), 4, 2, 10);
    double[] expected = new double[80];
    double[] expectedLse = new double[8];
    for (int th = 0; th < 8; th++) {
      double sum = 0;
      for (int p = 0; p < 3; p++) {
        double weight = Math.exp(floats(lses)[p * 8 + th]);
        sum += weight;
        for (int i = 0; i < 10; i++) {
          expected[th * 10 + i] += weight * floats(parts)[(p * 8 + th) * 10 + i];
        }
      }
      for (int i = 0; i < 10; i++) {
        expected[th * 10 + i] /= sum;
      }
      expectedLse[th] = Math.log(sum);
    }
    Oracle.assertClose(expected, out, TOLERANCE);
    Oracle.assertClose(expectedLse, floats(lse), TOLERANCE);
  }

  /** Several sequences with old and new tokens in one cache. */
  private static final class Attended implements AutoCloseable {
    final MlaShape shape;
    final LatentCache cache;
    final List<Sequence> sequences = new ArrayList<>();
    final List<float[]> rows = new ArrayList<>();

    Attended(Device device, Random random, MlaShape shape, CacheType type, int... lengths) {
      this.shape = shape;
      this.cache =
          LatentCache.builder(device)
              .layout(LatentLayout.of(shape, type))
              .layers(2)
              .pageSize(16)
              .pages(400)
              .build();
      for (int length : lengths) {
        sequences.add(cache.newSequence());
        rows.add(floats(random(random, 1, length, shape.cached())));
      }
      if (type == CacheType.BF16) {
        for (float[] row : rows) {
          for (int i = 0; i < row.length; i++) {
            row[i] = Bf16.round(row[i]);
          }
        }
      }
    }

    /**
     * Puts the rows of the sequences into layer 1, all but the last {@code queries[i]} of them in a
     * step of their own.
     */
    Step append(int... queries) {
      int[] before = new int[queries.length];
      for (int i = 0; i < queries.length; i++) {
        before[i] = rows.get(i).length / shape.cached() - queries[i];
      }
      try (Step step = batch().reserve(before)) {
        write(step, new int[queries.length], before);
        step.commit();
      }
      Step step = batch().reserve(queries);
      write(step, before, queries);
      return step;
    }

    private Batch batch() {
      return Batch.of(sequences.toArray(Sequence[]::new));
    }

    private void write(Step step, int[] from, int[] count) {
      if (step.tokens() == 0) {
        return;
      }
      float[] all = new float[step.tokens() * shape.cached()];
      int at = 0;
      for (int i = 0; i < count.length; i++) {
        int n = count[i] * shape.cached();
        System.arraycopy(rows.get(i), from[i] * shape.cached(), all, at, n);
        at += n;
      }
      int n = step.tokens();
      float[] ones = new float[n * shape.rope() / 2];
      Arrays.fill(ones, 1);
      Rotation none =
          new Rotation(
              TestTensors.of(ones, n, shape.rope() / 2),
              TestTensors.of(new float[ones.length], n, shape.rope() / 2),
              RopeLayout.HALVES);
      DecodePlan plan = step.plan(shape, AttentionForm.ABSORBED);
      cache
          .device()
          .run(new AppendLatent(1, TestTensors.of(all, n, shape.cached()), null, 0, none), plan);
    }

    @Override
    public void close() {
      cache.close();
    }
  }

  private static final MlaShape SHAPE = new MlaShape(5, 24, 8, 12, 10);
  private static final int[] LENGTHS = {70, 1, 900, 33};
  private static final int[] QUERIES = {3, 1, 2, 33};

  private float[] absorbedOut(
      Device device,
      Tensor q,
      AttentionScore score,
      CacheType type,
      ComputeType compute,
      Tensor lse) {
    try (Attended a = new Attended(device, new Random(5), SHAPE, type, LENGTHS);
        Step step = a.append(QUERIES)) {
      DecodePlan plan = step.plan(SHAPE, AttentionForm.ABSORBED);
      assertTrue(PagedView.of(plan).splitLength(2) < 900, "the long sequence must be split");
      Tensor out = poisoned(plan.tokens(), 5, 24);
      device.run(new AttendAbsorbed(1, q, score, compute, out, lse), plan);
      return floats(out);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void attendAbsorbedOverSequencesOfDifferentLengths(boolean alibi) {
    int n = Arrays.stream(QUERIES).sum();
    Tensor q = random(random, 0.3, n, 5, 32);
    Tensor slopes = alibi ? random(random, 0.1, 5) : null;
    AttentionScore score = new AttentionScore(0.2f, slopes);
    Tensor lse = poisoned(n, 5);
    float[] first = absorbedOut(ONE, q, score, CacheType.F32, ComputeType.F32, lse);
    for (Device device : DEVICES) {
      float[] other = absorbedOut(device, q, score, CacheType.F32, ComputeType.F32, null);
      assertArrayEquals(first, other);
    }
    try (Attended a = new Attended(ONE, new Random(5), SHAPE, CacheType.F32, LENGTHS)) {
      int at = 0;
      for (int i = 0; i < QUERIES.length; i++) {
        double[] part = Oracle.doubles(floats(q.slice(at, QUERIES[i])));
        double[] expectedLse = new double[QUERIES[i] * 5];
        double[] expected =
            Oracle.attention(
                a.rows.get(i), part, 5, 24, 8, 0.2f, alibi ? floats(slopes) : null, expectedLse);
        Oracle.assertClose(expected, rows(first, at, QUERIES[i], 5 * 24), TOLERANCE);
        Oracle.assertClose(expectedLse, floats(lse.slice(at, QUERIES[i])), TOLERANCE);
        at += QUERIES[i];
      }
    }
  }

  /**
   * 130 heads are three head blocks; 9 and 20 queries are several query blocks; 700 tokens are
   * several splits.
   */
  @Test
  void attendAbsorbedInEveryKindOfTile() {
    MlaShape wide = new MlaShape(130, 16, 4, 8, 8);
    int[] queries = {1, 9, 20};
    Tensor q = random(random, 0.5, 30, 130, 20);
    float[] first = null;
    for (Device device : DEVICES) {
      try (Attended a = new Attended(device, new Random(8), wide, CacheType.F32, 700, 611, 40);
          Step step = a.append(queries)) {
        Tensor out = poisoned(30, 130, 16);
        Tensor lse = poisoned(30, 130);
        DecodePlan plan = step.plan(wide, AttentionForm.ABSORBED);
        device.run(
            new AttendAbsorbed(1, q, AttentionScore.of(0.3f), ComputeType.F32, out, lse), plan);
        first = first == null ? floats(out) : first;
        assertArrayEquals(first, floats(out));
        for (int i = 0; i < 3; i++) {
          int at = plan.firstToken(i);
          double[] part = Oracle.doubles(floats(q.slice(at, queries[i])));
          double[] expectedLse = new double[queries[i] * 130];
          double[] expected =
              Oracle.attention(a.rows.get(i), part, 130, 16, 4, 0.3f, null, expectedLse);
          Oracle.assertClose(expected, rows(first, at, queries[i], 130 * 16), TOLERANCE);
          Oracle.assertClose(expectedLse, floats(lse.slice(at, queries[i])), TOLERANCE);
        }
      }
    }
  }

  @Test
  void everySequenceHasRoomForItsParts() {
    int[] lengths = {900, 1500, 1100};
    int[] queries = {1, 1, 2};
    Tensor q = random(random, 0.3, 4, 5, 32);
    Tensor out = poisoned(4, 5, 24);
    // A device of its own, whose memory nothing else has made larger.
    try (Device device = device(2);
        Attended a = new Attended(device, new Random(5), SHAPE, CacheType.F32, lengths);
        Step step = a.append(queries)) {
      DecodePlan plan = step.plan(SHAPE, AttentionForm.ABSORBED);
      AttentionScore score = AttentionScore.of(0.2f);
      device.run(new AttendAbsorbed(1, q, score, ComputeType.F32, out, null), plan);
      for (int i = 0; i < queries.length; i++) {
        assertTrue(PagedView.of(plan).splitLength(i) < lengths[i], "sequence " + i + " is whole");
        int at = plan.firstToken(i);
        double[] part = doubles(q.slice(at, queries[i]));
        double[] expected = Oracle.attention(a.rows.get(i), part, 5, 24, 8, 0.2f, null, null);
        Oracle.assertClose(expected, floats(out.slice(at, queries[i])), TOLERANCE);
      }
    }
  }

  /** Of the long sequence in the middle, first its place, then its tokens and its parts change. */
  @Test
  void attentionThatIsBoundOnceFollowsItsPlans() {
    int[] small = {40, 900, 40};
    int[] large = {40, 1500, 40};
    int[] two = {900, 1500, 40};
    int[][] lengths = {small, small, small, large, two, large, two};
    int[] three = {2, 1, 1};
    int[][] queries = {{1, 2, 1}, {2, 2, 0}, three, three, three, three, three};
    Tensor q = random(random, 0.3, 4, 5, 32);
    Tensor out = poisoned(4, 5, 24);
    Tensor expected = poisoned(4, 5, 24);
    AttentionScore score = AttentionScore.of(0.2f);
    for (Device device : DEVICES) {
      BoundOperation bound =
          device.bind(new AttendAbsorbed(1, q, score, ComputeType.F32, out, null));
      for (int i = 0; i < lengths.length; i++) {
        try (Attended a = new Attended(device, new Random(5), SHAPE, CacheType.F32, lengths[i]);
            Step step = a.append(queries[i])) {
          DecodePlan plan = step.plan(SHAPE, AttentionForm.ABSORBED);
          bound.run(plan);
          device.run(new AttendAbsorbed(1, q, score, ComputeType.F32, expected, null), plan);
          assertArrayEquals(floats(expected), floats(out), "plan " + i);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ComputeType.class)
  void sequenceAloneHasTheBitsOfTheSequenceInBatch(ComputeType compute) {
    int n = Arrays.stream(QUERIES).sum();
    Weight latentUp = weight(random, StorageFormat.BF16, 0.2, 5 * 22, 24);
    Tensor q = random(random, 0.3, n, 5, 20);
    AttentionScore score = AttentionScore.of(0.2f);
    for (Device device : DEVICES) {
      float[] all;
      try (Attended a = new Attended(device, new Random(5), SHAPE, CacheType.BF16, LENGTHS);
          Step step = a.append(QUERIES)) {
        Tensor out = poisoned(n, 5, 10);
        DecodePlan plan = step.plan(SHAPE, AttentionForm.AUTO);
        device.run(
            new Attend(1, plan.shape(), q, LatentUp.fused(latentUp), score, compute, out), plan);
        all = floats(out);
      }
      int at = 0;
      for (int i = 0; i < LENGTHS.length; i++) {
        try (Attended b = new Attended(ONE, new Random(5), SHAPE, CacheType.BF16, LENGTHS)) {
          float[] mine = b.rows.get(i);
          b.sequences.subList(1, 4).clear();
          b.rows.clear();
          b.rows.add(mine);
          try (Step step = b.append(QUERIES[i])) {
            Tensor out = poisoned(QUERIES[i], 5, 10);
            DecodePlan plan = step.plan(SHAPE, AttentionForm.AUTO);
            ONE.run(
                new Attend(
                    1,
                    plan.shape(),
                    q.slice(at, QUERIES[i]),
                    LatentUp.fused(latentUp),
                    score,
                    compute,
                    out),
                plan);
            assertArrayEquals(rows(all, at, QUERIES[i], 50), floats(out), "sequence " + i);
          }
        }
        at += QUERIES[i];
      }
    }
  }

  @ParameterizedTest
  @EnumSource(AttentionForm.class)
  void attendAgreesWithTheFormulaInEveryForm(AttentionForm form) {
    int n = Arrays.stream(QUERIES).sum();
    Weight latentUp = weight(random, StorageFormat.BF16, 0.2, 5 * 22, 24);
    Tensor q = random(random, 0.3, n, 5, 20);
    for (Device device : DEVICES) {
      try (Attended a = new Attended(device, new Random(5), SHAPE, CacheType.F32, LENGTHS);
          Step step = a.append(QUERIES)) {
        Tensor out = poisoned(n, 5, 10);
        DecodePlan plan = step.plan(SHAPE, form);
        device.run(
            new Attend(
                1,
                plan.shape(),
                q,
                LatentUp.fused(latentUp),
                AttentionScore.of(0.2f),
                ComputeType.F32,
                out),
            plan);
        int at = 0;
        for (int i = 0; i < QUERIES.length; i++) {
          double[] part = Oracle.doubles(floats(q.slice(at, QUERIES[i])));
          double[] latent =
              Oracle.attention(
                  a.rows.get(i), Oracle.absorb(part, latentUp, SHAPE), 5, 24, 8, 0.2f, null, null);
          Oracle.assertClose(
              Oracle.expand(latent, latentUp, SHAPE),
              rows(floats(out), at, QUERIES[i], 50),
              TOLERANCE);
          at += QUERIES[i];
        }
      }
    }
  }

  @Test
  void absorbAndExpandMultiplyWithTheHalvesOfKvB() {
    Weight latentUp = weight(random, StorageFormat.F16, 0.2, 5 * 22, 24);
    Tensor q = random(random, 1, 7, 5, 20);
    float[] absorbed =
        sameOnAll(
            (ops, o) -> ops.run(new Absorb(q, LatentUp.fused(latentUp), ComputeType.F32, o)),
            7,
            5,
            32);
    Oracle.assertClose(Oracle.absorb(doubles(q), latentUp, SHAPE), absorbed, TOLERANCE);
    Tensor x = random(random, 1, 7, 5, 24);
    float[] expanded =
        sameOnAll(
            (ops, o) -> ops.run(new Expand(x, LatentUp.fused(latentUp), ComputeType.F32, o)),
            7,
            5,
            10);
    Oracle.assertClose(Oracle.expand(doubles(x), latentUp, SHAPE), expanded, TOLERANCE);
  }

  @Test
  void appendNormsAndRotates() {
    Tensor a = random(random, 2, 3, 32);
    Tensor norm = random(random, 1, 24);
    Rotation rotation = TestTensors.rotation(random, 3, 8, RopeLayout.PAIRS);
    try (LatentCache cache =
            LatentCache.builder(ONE)
                .layout(LatentLayout.of(SHAPE, CacheType.F32))
                .pages(1)
                .build();
        Sequence sequence = cache.newSequence();
        Step step = Batch.of(sequence).reserve(3)) {
      DecodePlan plan = step.plan(SHAPE, AttentionForm.ABSORBED);
      ONE.run(new AppendLatent(0, a, norm, 1e-5f, rotation), plan);
      double[] expected = Oracle.rotate(doubles(a), 1, 32, rotation);
      float[] actual = new float[96];
      for (int t = 0; t < 3; t++) {
        double sum = 0;
        for (int i = 0; i < 24; i++) {
          sum += expected[t * 32 + i] * expected[t * 32 + i];
        }
        for (int i = 0; i < 32; i++) {
          if (i < 24) {
            expected[t * 32 + i] *= floats(norm)[i] / Math.sqrt(sum / 24 + 1e-5f);
          }
          long element = i < 24 ? i : cache.layout().ropeOffset() + i - 24;
          long row = t * cache.layout().rowStrideBytes();
          actual[t * 32 + i] = Floats.get(PagedView.of(plan).layerBase(0), row / 4 + element);
        }
      }
      Oracle.assertClose(expected, actual, TOLERANCE);
    }
  }

  @Test
  void wrongShapesAreNamedAndNothingIsWritten() {
    Tensor x = random(random, 1, 3, 8);
    Weight w = weight(random, StorageFormat.F32, 1, 5, 8);
    Device ops = ONE;
    Tensor out = poisoned(3, 5);
    assertRefused("x ", () -> ops.run(new RmsNorm(null, x, 1, out)));
    assertRefused(
        "weight ", () -> ops.run(new RmsNorm(x, random(random, 1, 7), 1, poisoned(3, 8))));
    assertRefused("out ", () -> ops.run(new RmsNorm(x, random(random, 1, 8), 1, out)));
    assertRefused("residual ", () -> ops.run(new Add(x, out, 1, poisoned(3, 8))));
    assertRefused(
        "projections[1].weight ",
        () ->
            ops.run(
                new Linear(
                    x,
                    List.of(
                        new Linear.Projection(w, null, out),
                        new Linear.Projection(
                            weight(random, StorageFormat.F32, 1, 5, 9), null, poisoned(3, 5))),
                    ComputeType.F32)));
    assertRefused(
        "projections[0].bias ",
        () ->
            ops.run(
                new Linear(
                    x,
                    List.of(new Linear.Projection(w, random(random, 1, 6), out)),
                    ComputeType.F32)));
    assertRefused(
        "projections[0].weight ",
        () ->
            ops.run(
                new Linear(
                    x,
                    List.of(
                        new Linear.Projection(
                            Weight.of(Tensor.of(x.segment(), StorageFormat.U8, 5, 8)), null, out)),
                    ComputeType.F32)));
    assertRefused("projections ", () -> ops.run(new Linear(x, List.of(), ComputeType.F32)));
    assertRefused(
        "up ",
        () -> ops.run(new Absorb(poisoned(1, 5, 20), null, ComputeType.F32, poisoned(1, 5, 32))));
    assertRefused(
        "heads ",
        () ->
            ops.run(
                new Absorb(
                    poisoned(1, 0, 20), LatentUp.fused(w), ComputeType.F32, poisoned(1, 0, 32))));
    FeedForward.Weights f = network(8, 6, StorageFormat.F32);
    assertRefused(
        "weights.up ",
        () ->
            ops.run(
                new FeedForward(
                    x,
                    new FeedForward.Weights(f.gate(), w, f.down()),
                    ComputeType.F32,
                    poisoned(3, 8))));
    Mixture.Weights m = mixture(softmax(4, 2), 8, false, false);
    assertRefused(
        "weights.experts ",
        () ->
            ops.run(
                new Mixture(
                    x,
                    new Mixture.Weights(
                        m.routing(), m.router(), null, m.experts().subList(0, 3), null),
                    ComputeType.F32,
                    poisoned(3, 8))));
    Tensor onHeap = Tensor.of(MemorySegment.ofArray(new float[24]), StorageFormat.F32, 3, 8);
    assertRefused("residual ", () -> ops.run(new Add(x, onHeap, 1, poisoned(3, 8))));
    assertRefused(
        "projections[0].weight ",
        () ->
            ops.run(
                new Linear(
                    x,
                    List.of(new Linear.Projection(Weight.of(onHeap), null, poisoned(3, 3))),
                    ComputeType.F32)));
    Tensor readOnly = Tensor.of(x.segment().asReadOnly(), StorageFormat.F32, 3, 8);
    assertRefused("out ", () -> ops.run(new Add(x, x, 1, readOnly)));
    for (float value : floats(out)) {
      assertTrue(Float.isNaN(value));
    }
  }

  private static void assertRefused(String start, Runnable operation) {
    Exception e = assertThrows(InvalidArgumentException.class, operation::run);
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
  }

  @Test
  void attentionRefusesWhatDoesNotFitThePlan() {
    try (Attended a = new Attended(ONE, new Random(5), SHAPE, CacheType.F32, 4);
        Step step = a.append(2)) {
      DecodePlan plan = step.plan(SHAPE, AttentionForm.ABSORBED);
      AttentionScore score = AttentionScore.of(1);
      Device ops = ONE;
      Tensor q = random(random, 1, 2, 5, 32);
      Tensor out = poisoned(2, 5, 24);
      ComputeType f32 = ComputeType.F32;
      assertRefused("layer ", () -> ops.run(new AttendAbsorbed(2, q, score, f32, out, null), plan));
      assertRefused(
          "layer ", () -> ops.run(new AttendAbsorbed(-1, q, score, f32, out, null), plan));
      assertRefused(
          "q ",
          () -> ops.run(new AttendAbsorbed(1, q.first(1), score, f32, out.first(1), null), plan));
      assertRefused("out ", () -> ops.run(new AttendAbsorbed(1, q, score, f32, q, null), plan));
      assertRefused("lse ", () -> ops.run(new AttendAbsorbed(1, q, score, f32, out, out), plan));
      assertRefused("score ", () -> ops.run(new AttendAbsorbed(1, q, null, f32, out, null), plan));
      AttentionScore slopes = new AttentionScore(1, random(random, 1, 4));
      assertRefused(
          "score.alibi", () -> ops.run(new AttendAbsorbed(1, q, slopes, f32, out, null), plan));
      step.commit();
      assertThrows(
          InvalidStateException.class,
          () -> ops.run(new AttendAbsorbed(1, q, score, f32, out, null), plan));
    }
  }

  @Test
  void noTokensAreNoWork() {
    Tensor none = poisoned(0, 24);
    for (Device device : DEVICES) {
      Device ops = device;
      ops.run(new RmsNorm(none, random(random, 1, 24), 1, none));
      ops.run(new Add(none, none, 1, none));
      ops.run(new FeedForward(none, network(24, 8, StorageFormat.F32), ComputeType.F32, none));
      ops.run(new Mixture(none, mixture(softmax(4, 2), 24, false, false), ComputeType.F32, none));
      ops.run(new Mixture(none, mixture(softmax(4, 2), 24, false, true), ComputeType.F32, none));
    }
  }

  @Test
  void stepsAfterTheFirstAllocateNoWorkspace() {
    AtomicInteger allocations = new AtomicInteger();
    CpuDevice.Allocator counting =
        (bytes, arena) -> {
          allocations.incrementAndGet();
          return CpuDevice.ARENA_ALLOCATOR.allocate(bytes, arena);
        };
    Mixture.Weights experts = mixture(deepseekV3(16, 4), 24, true, true);
    Weight latentUp = weight(random, StorageFormat.BF16, 0.2, 5 * 22, 24);
    Tensor x = random(random, 1, 4, 24);
    Tensor q = random(random, 1, 4, 5, 20);
    try (Device device = new CpuDevice("counting", new ScalarKernels(), counting, 2);
        Attended a = new Attended(device, random, SHAPE, CacheType.BF16, 700, 700);
        Step step = a.append(2, 2)) {
      DecodePlan plan = step.plan(SHAPE, AttentionForm.AUTO);
      int warm = 0;
      for (int i = 0; i < 5; i++) {
        warm = i == 1 ? allocations.get() : warm;
        device.run(new Mixture(x, experts, ComputeType.F32, poisoned(4, 24)));
        device.run(
            new Attend(
                1,
                plan.shape(),
                q,
                LatentUp.fused(latentUp),
                AttentionScore.of(1),
                ComputeType.F32,
                poisoned(4, 5, 10)),
            plan);
      }
      assertEquals(warm, allocations.get());
    }
  }

  @Test
  void closedDeviceRefuses() {
    Device device = device(2);
    Tensor x = random(random, 1, 3, 8);
    device.run(new Add(x, x, 1, x));
    device.close();
    device.close();
    assertThrows(ClosedException.class, () -> device.run(new Add(x, x, 1, x)));
  }
}
