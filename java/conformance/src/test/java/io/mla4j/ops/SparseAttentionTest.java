package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
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
import io.mla4j.testkit.QuickRun;
import io.mla4j.testkit.StoredRows;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given texts of more tokens than an indexer chooses, when each token chooses and attends, then it
 * attends to the best scored tokens that it sees and to nothing else, with the same bits whatever
 * the chunks, the other texts and the threads.
 */
class SparseAttentionTest {
  private static final double F32_ERROR = 2e-5;
  private static final double BF16_ERROR = 3e-2;

  static Stream<Kernels> kernels() {
    return AllKernels.ofSequences();
  }

  /** Sizes of a model's layer, and its weight. */
  private record Layer(
      MlaShape shape,
      int indexHeads,
      int indexWidth,
      int topK,
      ComputeType compute,
      CacheType type,
      Weight latentUp) {
    static Layer random(SplittableRandom r) {
      MlaShape shape =
          new MlaShape(
              r.nextInt(1, 12),
              r.nextInt(16, 80),
              2 * r.nextInt(0, 17),
              r.nextInt(1, 33),
              r.nextInt(1, 33));
      long rows = (long) shape.heads() * (shape.nope() + shape.value());
      return new Layer(
          shape,
          r.nextInt(1, 20),
          r.nextInt(4, 40),
          r.nextInt(3) == 0 ? r.nextInt(520, 700) : r.nextInt(1, 60),
          ComputeType.values()[r.nextInt(2)],
          CacheType.all().get(r.nextInt(CacheType.all().size())),
          Tensors.weight(r, StorageFormat.BF16, rows, shape.latent()));
    }

    AttentionScore score() {
      return AttentionScore.of(1 / (float) Math.sqrt(shape.query()));
    }
  }

  /** All that a text's tokens bring, and where they begin to be asked. */
  private record Text(
      int tokens, Tensor rows, Tensor keys, Tensor queries, Tensor indexQueries, Tensor weights) {
    static Text random(SplittableRandom r, Layer l, int tokens) {
      MlaShape s = l.shape;
      return new Text(
          tokens,
          Tensors.random(r, 0.5, tokens, s.cached()),
          Tensors.random(r, 1, tokens, l.indexWidth),
          Tensors.random(r, 1, tokens, (long) s.heads() * s.query()),
          Tensors.random(r, 1, tokens, (long) l.indexHeads * l.indexWidth),
          Tensors.random(r, 1, tokens, l.indexHeads));
    }
  }

  /** What the tokens of a text chose, and their results. */
  private record Result(int[][] chosen, float[][] out) {}

  @ParameterizedTest
  @MethodSource("kernels")
  void attendsToTheBestScored(Kernels kernels) {
    for (long seed : Seeds.of(3, QuickRun.isOn() ? 0 : 1)) {
      SplittableRandom random = new SplittableRandom(seed);
      Layer layer = Layer.random(random);
      List<Text> texts = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        texts.add(Text.random(random, layer, layer.topK + random.nextInt(1, 40)));
      }
      texts.add(Text.random(random, layer, Math.max(1, layer.topK / 2)));
      String name = kernels.isa() + " " + layer + ", " + Seeds.reproduce(seed);
      List<Result> expected;
      try (Device device = device(kernels, 1)) {
        expected = run(device, layer, texts, Integer.MAX_VALUE);
        for (int i = 0; i < texts.size(); i++) {
          check(name + ", text " + i, layer, texts.get(i), expected.get(i));
          List<Result> alone = run(device, layer, List.of(texts.get(i)), Integer.MAX_VALUE);
          compare(name + ", alone", 0, expected.get(i), alone.getFirst());
        }
      }
      for (int threads = 1; threads <= 3; threads++) {
        try (Device device = device(kernels, threads)) {
          List<Result> chunked = run(device, layer, texts, 1 + 23 * (threads - 1));
          for (int i = 0; i < texts.size(); i++) {
            compare(name + ", chunks, " + threads, layer.topK, expected.get(i), chunked.get(i));
          }
        }
      }
    }
  }

  /** More scores than are kept at once: they are computed for some of the queries at a time. */
  @ParameterizedTest
  @MethodSource("kernels")
  void longTextsChooseAsThoseInChunks(Kernels kernels) {
    SplittableRandom random = new SplittableRandom(1);
    MlaShape shape = new MlaShape(1, 16, 0, 4, 4);
    Weight latentUp = Tensors.weight(random, StorageFormat.BF16, 8, 16);
    Layer layer = new Layer(shape, 1, 4, 3, ComputeType.F32, CacheType.F32, latentUp);
    List<Text> texts = List.of(Text.random(random, layer, 1500), Text.random(random, layer, 2200));
    try (Device device = device(kernels, 2)) {
      List<Result> chunked = run(device, layer, texts, 400);
      List<Result> whole = run(device, layer, texts, Integer.MAX_VALUE);
      for (int i = 0; i < texts.size(); i++) {
        compare(kernels.isa() + ", text " + i, layer.topK, chunked.get(i), whole.get(i));
      }
    }
  }

  private static Device device(Kernels kernels, int threads) {
    return new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, threads);
  }

  /** Bits of the tokens from {@code first} on; those before it are attended as a whole. */
  private static void compare(String name, int first, Result expected, Result actual) {
    for (int t = first; t < expected.out.length; t++) {
      assertArrayEquals(expected.chosen[t], actual.chosen[t], name + ", chosen by " + t);
      assertArrayEquals(expected.out[t], actual.out[t], name + ", result of " + t);
    }
  }

  private static void check(String name, Layer l, Text text, Result result) {
    float[] w = l.latentUp.tensor().toArray();
    float[] stored = text.rows.toArray();
    StoredRows rows = new StoredRows(LatentLayout.of(l.shape, l.type));
    for (int t = 0; t < text.tokens; t++) {
      rows.store(stored, t * l.shape.cached());
    }
    double[] keys = new double[text.tokens * l.indexWidth];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = storedKey(l, at(text.keys, i / l.indexWidth, i % l.indexWidth));
    }
    for (int t = 0; t < text.tokens; t++) {
      int count = Math.min(l.topK, t + 1);
      int[] chosen = result.chosen[t];
      int token = t;
      for (int j = 0; j < l.topK; j++) {
        assertTrue(
            j < count
                ? chosen[j] > (j == 0 ? -1 : chosen[j - 1]) && chosen[j] <= t
                : chosen[j] == -1,
            () -> name + ", token " + token + " chose " + Arrays.toString(chosen));
      }
      if (t % 5 != 0 && t != text.tokens - 1) {
        continue; // the oracle is slow
      }
      requireBest(name + ", token " + t, l, text, keys, t, Arrays.copyOf(chosen, count));
      double[] exact = attend(l, text, w, stored, t, Arrays.copyOf(chosen, count));
      double largest = Arrays.stream(exact).map(Math::abs).max().orElseThrow();
      double allowed = l.compute == ComputeType.F32 ? F32_ERROR : BF16_ERROR;
      for (int i = 0; i < exact.length; i++) {
        assertEquals(
            exact[i], result.out[t][i], allowed * largest, () -> name + ", token " + token);
      }
    }
  }

  private static void requireBest(
      String name, Layer l, Text text, double[] keys, int t, int[] chosen) {
    double worstChosen = Double.POSITIVE_INFINITY;
    double bestOther = Double.NEGATIVE_INFINITY;
    double size = 0;
    double[] queries = new double[l.indexHeads * l.indexWidth];
    for (int i = 0; i < queries.length; i++) {
      queries[i] = at(text.indexQueries, t, i);
    }
    for (int s = 0, next = 0; s <= t; s++) {
      double score = 0;
      for (int j = 0; j < l.indexHeads; j++) {
        double dot = 0;
        for (int d = 0; d < l.indexWidth; d++) {
          dot += queries[j * l.indexWidth + d] * keys[s * l.indexWidth + d];
        }
        score += at(text.weights, t, j) * Math.max(0, dot);
      }
      size = Math.max(size, Math.abs(score));
      if (next < chosen.length && chosen[next] == s) {
        worstChosen = Math.min(worstChosen, score);
        next++;
      } else {
        bestOther = Math.max(bestOther, score);
      }
    }
    assertTrue(
        worstChosen >= bestOther - 1e-5 * size,
        name + " chose a score of " + worstChosen + " but not one of " + bestOther);
  }

  /** Attention to the chosen tokens in double precision. */
  private static double[] attend(
      Layer l, Text text, float[] w, float[] stored, int t, int[] chosen) {
    MlaShape s = l.shape;
    double[] out = new double[s.heads() * s.value()];
    for (int h = 0; h < s.heads(); h++) {
      int rows = h * (s.nope() + s.value());
      double[] absorbed = new double[s.latent()];
      for (int i = 0; i < s.nope(); i++) {
        double q = at(text.queries, t, h * s.query() + i);
        for (int c = 0; c < s.latent(); c++) {
          absorbed[c] += q * w[(rows + i) * s.latent() + c];
        }
      }
      double[] rotated = new double[s.rope()];
      for (int i = 0; i < s.rope(); i++) {
        rotated[i] = at(text.queries, t, h * s.query() + s.nope() + i);
      }
      double[] scores = new double[chosen.length];
      double max = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < chosen.length; j++) {
        for (int c = 0; c < s.latent(); c++) {
          scores[j] += absorbed[c] * stored[chosen[j] * s.cached() + c];
        }
        for (int i = 0; i < s.rope(); i++) {
          scores[j] += rotated[i] * stored[chosen[j] * s.cached() + s.latent() + i];
        }
        scores[j] *= l.score().scale();
        max = Math.max(max, scores[j]);
      }
      double sum = 0;
      double[] latent = new double[s.latent()];
      for (int j = 0; j < chosen.length; j++) {
        double p = Math.exp(scores[j] - max);
        sum += p;
        for (int c = 0; c < s.latent(); c++) {
          latent[c] += p * stored[chosen[j] * s.cached() + c];
        }
      }
      for (int i = 0; i < s.value(); i++) {
        for (int c = 0; c < s.latent(); c++) {
          out[h * s.value() + i] += w[(rows + s.nope() + i) * s.latent() + c] * latent[c] / sum;
        }
      }
    }
    return out;
  }

  private static float at(Tensor tensor, int row, int i) {
    return tensor.segment().getAtIndex(ValueLayout.JAVA_FLOAT, row * tensor.stride(0) + i);
  }

  private static float storedKey(Layer l, float x) {
    return l.type == CacheType.F32 ? x : Bf16.round(x);
  }

  /** The texts in steps of at most {@code chunk} tokens each. */
  private static List<Result> run(Device device, Layer l, List<Text> texts, int chunk) {
    List<Result> results = new ArrayList<>();
    int longest = 0;
    for (Text text : texts) {
      longest = Math.max(longest, text.tokens);
      results.add(new Result(new int[text.tokens][], new float[text.tokens][]));
    }
    try (LatentCache cache =
        LatentCache.builder(device)
            .layout(LatentLayout.of(l.shape, l.type))
            .group(new LatentLayout(l.indexWidth, 0, l.type.ofKeys()), 2)
            .pageSize(24)
            .tokens(texts.size() * (longest + 24L))
            .build()) {
      Sequence[] sequences = texts.stream().map(_ -> cache.newSequence()).toArray(Sequence[]::new);
      for (int done = 0; done < longest; done += Math.min(chunk, longest)) {
        step(device, l, texts, sequences, chunk, results);
      }
    }
    return results;
  }

  private static void step(
      Device device,
      Layer l,
      List<Text> texts,
      Sequence[] sequences,
      int chunk,
      List<Result> results) {
    int[] from = new int[sequences.length];
    int[] counts = new int[sequences.length];
    for (int i = 0; i < counts.length; i++) {
      from[i] = sequences[i].length();
      counts[i] = Math.min(chunk, texts.get(i).tokens - from[i]);
    }
    MlaShape s = l.shape;
    try (Step step = Batch.of(sequences).reserve(counts)) {
      int n = step.tokens();
      DecodePlan plan = step.plan(s, AttentionForm.AUTO);
      Tensor rows = gather(texts.stream().map(Text::rows).toList(), from, counts);
      device.run(new AppendLatent(0, rows, null, 0, still(n, s.rope() / 2)), plan);
      Tensor keys = gather(texts.stream().map(Text::keys).toList(), from, counts);
      device.run(new AppendRows(1, 1, keys), plan);
      Tensor chosen = Tensor.allocate(device, StorageFormat.I32, n, l.topK);
      Tensor q = gather(texts.stream().map(Text::indexQueries).toList(), from, counts);
      Tensor weights = gather(texts.stream().map(Text::weights).toList(), from, counts);
      device.run(
          new ChooseKeys(1, 1, q.reshape(n, l.indexHeads, l.indexWidth), weights, chosen), plan);
      Tensor queries = gather(texts.stream().map(Text::queries).toList(), from, counts);
      Tensor out = Tensors.nan(n, s.heads(), s.value());
      device.run(
          new AttendChosen(
              new Attend(
                  0,
                  s,
                  queries.reshape(n, s.heads(), s.query()),
                  LatentUp.fused(l.latentUp),
                  l.score(),
                  l.compute,
                  out),
              chosen),
          plan);
      for (int i = 0; i < counts.length; i++) {
        for (int t = 0; t < counts[i]; t++) {
          int row = plan.firstToken(i) + t;
          results.get(i).chosen[from[i] + t] =
              chosen.slice(row, 1).segment().asSlice(0, 4L * l.topK).toArray(ValueLayout.JAVA_INT);
          results.get(i).out[from[i] + t] = out.slice(row, 1).toArray();
        }
      }
      step.commit();
    }
  }

  /** Rows {@code from[i] .. from[i] + counts[i]} of every tensor. */
  private static Tensor gather(List<Tensor> tensors, int[] from, int[] counts) {
    long width = tensors.getFirst().dim(1);
    Tensor all = Tensors.nan(Arrays.stream(counts).sum(), width);
    long at = 0;
    for (int i = 0; i < counts.length; i++) {
      long bytes = 4 * width * counts[i];
      java.lang.foreign.MemorySegment.copy(
          tensors.get(i).segment(), 4 * width * from[i], all.segment(), at, bytes);
      at += bytes;
    }
    return all;
  }

  private static Rotation still(int n, int pairs) {
    Tensor ones = Tensors.nan(n, pairs);
    float[] values = new float[n * pairs];
    Arrays.fill(values, 1);
    return new Rotation(
        ones.copyFrom(values),
        Tensors.nan(n, pairs).copyFrom(new float[n * pairs]),
        RopeLayout.PAIRS);
  }
}
