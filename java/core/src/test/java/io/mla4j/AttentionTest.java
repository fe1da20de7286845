package io.mla4j;

import static io.mla4j.TestTensors.floats;
import static io.mla4j.TestTensors.random;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AttentionTest {
  // Never closed: mutation runs come again in one JVM.
  private static final Device DEVICE = Backends.open(new Backends.Choice("scalar", null, 2));
  private static final MlaShape SHAPE = new MlaShape(3, 20, 6, 14, 9);
  private static final AttentionScore SCORE = AttentionScore.of(0.25f);

  private final Random random = new Random(3);

  private static LatentCache cache(int layers) {
    return LatentCache.builder(DEVICE)
        .layout(LatentLayout.of(SHAPE, CacheType.F32))
        .layers(layers)
        .pageSize(8)
        .tokens(400)
        .build();
  }

  private float[] numbers(double scale, long... shape) {
    return floats(random(random, scale, shape));
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "5, 1", "300, 1", "300, 4", "9, 9"})
  void absorbedDecodeIsTheFormula(int tokens, int queries) {
    float[] rows = numbers(1, tokens, 26);
    float[] q = numbers(1, queries, 3, 26);
    try (LatentCache cache = cache(1);
        Sequence sequence = cache.newSequence()) {
      AbsorbedAttention attention = Attention.absorbed(cache, 3, SCORE, ComputeType.F32);
      attention.append(sequence, rows);
      assertEquals(tokens, sequence.length());
      float[] out = new float[queries * 3 * 20];
      float[] lse = new float[queries * 3];
      attention.decode(0, Batch.of(sequence), q, out, lse);
      double[] expectedLse = new double[queries * 3];
      double[] expected =
          Oracle.attention(rows, Oracle.doubles(q), 3, 20, 6, 0.25, null, expectedLse);
      Oracle.assertClose(expected, out, 1e-5);
      Oracle.assertClose(expectedLse, lse, 1e-5);
      assertArrayEquals(out, attention.decode(sequence, q));
    }
  }

  @ParameterizedTest
  @CsvSource({"40, 1", "300, 200"})
  void weightsAbsorbAndExpand(int tokens, int queries) {
    float[] rows = numbers(1, tokens, 26);
    float[] q = numbers(1, queries, 3, 20);
    float[] latentUp = numbers(0.2, 3 * 23, 20);
    try (LatentCache cache = cache(1);
        Sequence sequence = cache.newSequence()) {
      Attention attention = Attention.withWeights(cache, SHAPE, latentUp, SCORE, ComputeType.F32);
      attention.append(sequence, rows);
      float[] out = attention.decode(sequence, q);
      Weight weight = Weight.of(TestTensors.of(latentUp, 3 * 23, 20));
      double[] absorbed = Oracle.absorb(Oracle.doubles(q), weight, SHAPE);
      double[] latents = Oracle.attention(rows, absorbed, 3, 20, 6, 0.25, null, null);
      Oracle.assertClose(Oracle.expand(latents, weight, SHAPE), out, 1e-5);
    }
  }

  @Test
  void batchHasTheBitsOfItsSequences() {
    float[] rows = numbers(1, 2, 30, 26);
    float[] q = numbers(1, 2, 2, 3, 26);
    try (LatentCache cache = cache(1)) {
      AbsorbedAttention attention = Attention.absorbed(cache, 3, SCORE, ComputeType.F32);
      Sequence a = cache.newSequence();
      Sequence b = cache.newSequence();
      Batch both = Batch.of(a, b);
      attention.append(both, rows);
      float[] out = attention.decode(both, q);
      assertArrayEquals(attention.decode(a, Arrays.copyOf(q, 156)), Arrays.copyOf(out, 120));
      assertArrayEquals(
          attention.decode(b, Arrays.copyOfRange(q, 156, 312)), Arrays.copyOfRange(out, 120, 240));
      Sequence c = cache.newSequence();
      attention.append(c, Arrays.copyOfRange(rows, 30 * 26, 45 * 26));
      attention.append(c, Arrays.copyOfRange(rows, 45 * 26, 60 * 26));
      assertArrayEquals(
          attention.decode(c, Arrays.copyOfRange(q, 156, 312)), Arrays.copyOfRange(out, 120, 240));
    }
  }

  @Test
  void layersOfCacheGoThroughSteps() {
    Tensor rows = random(random, 1, 5, 26);
    Tensor q = random(random, 1, 5, 3, 26);
    try (LatentCache cache = cache(2);
        Sequence sequence = cache.newSequence();
        Step step = Batch.of(sequence).reserve(5)) {
      AbsorbedAttention attention = Attention.absorbed(cache, 3, SCORE, ComputeType.F32);
      DecodePlan plan = step.plan(SHAPE, AttentionForm.ABSORBED);
      Tensor out = TestTensors.poisoned(5, 3, 20);
      attention.append(plan, 1, rows);
      attention.attend(plan, 1, q, out);
      double[] expected =
          Oracle.attention(floats(rows), Oracle.doubles(floats(q)), 3, 20, 6, 0.25, null, null);
      Oracle.assertClose(expected, floats(out), 1e-5);
      assertRefused("layers has 1 arrays", () -> attention.append(sequence, new float[26]));
      assertRefused("the cache has 2 layers", () -> attention.decode(sequence, new float[78]));
    }
  }

  @Test
  void layersOfCacheTakeArrays() {
    float[] first = numbers(1, 4, 26);
    float[] second = numbers(1, 4, 26);
    float[] q = numbers(1, 3, 26);
    try (LatentCache two = cache(2);
        LatentCache one = cache(1);
        Sequence sequence = two.newSequence();
        Sequence alone = one.newSequence()) {
      Attention attention = Attention.absorbed(two, 3, SCORE, ComputeType.F32);
      attention.append(sequence, first, second);
      Attention single = Attention.absorbed(one, 3, SCORE, ComputeType.F32);
      single.append(alone, second);
      assertArrayEquals(single.decode(alone, q), attention.decode(1, Batch.of(sequence), q));
      assertRefused("layers has 1 arrays", () -> attention.append(sequence, first));
      assertRefused("layer is 2", () -> attention.decode(2, Batch.of(sequence), q));
    }
  }

  @Test
  void argumentsAreNamed() {
    try (LatentCache cache = cache(1);
        LatentCache other = cache(1);
        Sequence sequence = cache.newSequence();
        Sequence foreign = other.newSequence()) {
      AbsorbedAttention attention = Attention.absorbed(cache, 3, SCORE, ComputeType.F32);
      assertRefused("rows ", () -> attention.append(sequence, new float[27]));
      assertRefused("rows ", () -> attention.append(sequence, new float[0]));
      assertRefused("rows ", () -> attention.append(sequence, (float[]) null));
      assertRefused("batch ", () -> attention.append(foreign, new float[26]));
      assertRefused("sequence ", () -> attention.append((Sequence) null, new float[26]));
      assertRefused("sequence 0 has 0 tokens", () -> attention.decode(sequence, new float[78]));
      attention.append(sequence, new float[52]);
      assertRefused("q ", () -> attention.decode(sequence, new float[77]));
      assertRefused("sequence 0 has 2 tokens", () -> attention.decode(sequence, new float[234]));
      Batch batch = Batch.of(sequence);
      assertRefused("out ", () -> attention.decode(0, batch, new float[78], new float[59]));
      assertRefused(
          "lse ", () -> attention.decode(0, batch, new float[78], new float[60], new float[2]));
      assertRefused("heads ", () -> Attention.absorbed(cache, 0, SCORE, ComputeType.F32));
      assertRefused("score ", () -> Attention.absorbed(cache, 3, null, ComputeType.F32));
      assertRefused("compute ", () -> Attention.absorbed(cache, 3, SCORE, null));
      assertRefused(
          "latentUp ",
          () -> Attention.withWeights(cache, SHAPE, new float[5], SCORE, ComputeType.F32));
      assertRefused("scale ", () -> AttentionScore.of(0));
    }
  }

  @Test
  void everyNullAndEachLayersLengthIsNamed() {
    float[] up = new float[3 * (6 + 9) * 20];
    float[] one = new float[26];
    ComputeType f32 = ComputeType.F32;
    try (LatentCache cache = cache(2);
        Sequence sequence = cache.newSequence()) {
      assertRefused("cache is null", () -> Attention.absorbed(null, 3, SCORE, f32));
      assertRefused("cache is null", () -> Attention.withWeights(null, SHAPE, up, SCORE, f32));
      assertRefused("shape is null", () -> Attention.withWeights(cache, null, up, SCORE, f32));
      assertRefused(
          "latentUp is null",
          () -> Attention.withWeights(cache, SHAPE, (float[]) null, SCORE, f32));
      assertRefused(
          "latentUp is null", () -> Attention.withWeights(cache, SHAPE, (Weight) null, SCORE, f32));
      AbsorbedAttention attention = Attention.absorbed(cache, 3, SCORE, f32);
      Batch batch = Batch.of(sequence);
      assertRefused("batch is null", () -> attention.append((Batch) null, one, one));
      assertRefused("rows is null", () -> attention.append(batch, one, null));
      assertRefused("rows has 52 numbers", () -> attention.append(batch, one, new float[52]));
      assertEquals(0, sequence.length());
    }
  }

  private static void assertRefused(String start, Runnable action) {
    Exception e = assertThrows(InvalidArgumentException.class, action::run);
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
  }

  @Test
  void aSecondThreadIsRefusedWhileOneIsInACall() throws Exception {
    float[] q = numbers(1, 1, 3, 26);
    try (LatentCache cache = cache(1);
        Sequence sequence = cache.newSequence()) {
      AbsorbedAttention attention = Attention.absorbed(cache, 3, SCORE, ComputeType.F32);
      attention.append(sequence, numbers(1, 300, 26));
      Batch batch = Batch.of(sequence);
      float[] expected = attention.decode(batch, q);
      AtomicReference<ConcurrentUseException> refused = new AtomicReference<>();
      Runnable decodeUntilRefused =
          () -> {
            while (refused.get() == null) {
              try {
                assertArrayEquals(expected, attention.decode(batch, q));
              } catch (ConcurrentUseException e) {
                refused.set(e);
              }
            }
          };
      FutureTask<Boolean> other = new FutureTask<>(decodeUntilRefused, true);
      Thread.ofPlatform().daemon().start(other);
      decodeUntilRefused.run();
      assertTrue(other.get(30, TimeUnit.SECONDS));
      assertTrue(
          refused.get().getMessage().startsWith("the attention belongs to one thread at a time"),
          refused.get().getMessage());
      assertArrayEquals(expected, attention.decode(batch, q));
    }
  }
}
