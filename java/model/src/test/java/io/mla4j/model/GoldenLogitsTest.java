package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.Tensor;
import io.mla4j.testkit.QuickRun;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Logits and greedy continuations against Hugging Face transformers, on every backend and
 * instruction set of this machine.
 */
public class GoldenLogitsTest {
  /** Of the largest logit; an independent FP32 program is within 8e-6. */
  static final double F32_BOUND = 3e-5;

  /** Of the largest logit, for models without experts: rounding flips experts in the others. */
  static final double BF16_BOUND = 5e-2;

  /** Set where a look is enough. */
  private static final boolean QUICK = QuickRun.isOn();

  /** Tokens of a page, tokens of a step. */
  private static final int[][] CUTS = {{16, 72}, {64, 7}, {3, 1}, {1, 5}};

  private static final int[][] FEW_CUTS = {{16, 72}, {3, 7}};

  /**
   * Every kernel of this machine, on one thread: a second one would spin for most of the time
   * between two operations of models as small as these. A quick run takes the best one: the table
   * of operations compares all of them with the oracle there too.
   */
  static Stream<Backends.Choice> devices() {
    return Backends.list().stream()
        .filter(Backends.Status::available)
        .flatMap(
            status -> status.isas().stream().map(isa -> new Backends.Choice(status.name(), isa, 1)))
        .limit(QUICK ? 1 : Long.MAX_VALUE);
  }

  /**
   * Whether a choice is tested with everything that the decoder can be told: the first instruction
   * set of each backend that is fast. The decoder is the same for the others, and the table of
   * operations has all of theirs.
   */
  public static boolean isTestedWhole(Backends.Choice choice) {
    return !QUICK
        && !choice.backend().equals("scalar")
        && Backends.list().stream()
            .filter(status -> status.name().equals(choice.backend()))
            .anyMatch(status -> status.isas().getFirst().equals(choice.isa()));
  }

  @ParameterizedTest
  @MethodSource("devices")
  void f32AgreesInEveryFormPageAndChunk(Backends.Choice choice) {
    int[][] cuts = isTestedWhole(choice) ? CUTS : FEW_CUTS;
    try (Device device = Backends.open(choice)) {
      for (String name : Golden.NAMES) {
        Golden golden = Golden.read(name);
        for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
          for (int[] cut : cuts) {
            var options = new DecoderOptions(ComputeType.F32, CacheType.F32, form, cut[0], cut[1]);
            double difference = difference(golden, device, options);
            assertTrue(
                difference <= F32_BOUND, name + " " + choice + " " + options + ": " + difference);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void bf16AgreesWhereNoExpertCanFlip(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      for (String name : List.of("v3-all-dense", "youtu", "minicpm3")) {
        Golden golden = Golden.read(name);
        for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
          for (int chunk : new int[] {72, 7, 1}) {
            var options = new DecoderOptions(ComputeType.BF16, CacheType.BF16, form, 16, chunk);
            double difference = difference(golden, device, options);
            assertTrue(
                difference <= BF16_BOUND, name + " " + choice + " " + options + ": " + difference);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void greedyContinuationIsExact(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      for (String name : Golden.NAMES) {
        Golden golden = Golden.read(name);
        if (golden.shortest() <= golden.prompt()) {
          var options = DecoderOptions.of(ComputeType.F32);
          assertArrayEquals(
              golden.greedyIds(),
              continueGreedily(golden, device, options, golden.prompt()),
              name + " " + choice);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void bitsDependNeitherOnThreadsNorOnTheBatch(Backends.Choice choice) {
    Golden golden = Golden.read("v3-yarn");
    for (ComputeType compute : ComputeType.values()) {
      var options = DecoderOptions.of(compute);
      float[] alone;
      try (Device device = Backends.open(choice)) {
        alone = logits(golden, device, options);
      }
      for (int threads : new int[] {2, 3}) {
        var other = new Backends.Choice(choice.backend(), choice.isa(), threads);
        try (Device device = Backends.open(other)) {
          assertArrayEquals(alone, logits(golden, device, options), "threads " + threads);
          assertArrayEquals(alone, inBatch(golden, device, options), "batch, threads " + threads);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void lastTokensNeedNoOthersInTheLastLayer(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      for (String name : Golden.NAMES) {
        Golden golden = Golden.read(name);
        for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
          var options = new DecoderOptions(ComputeType.F32, CacheType.F32, form, 16, 72);
          int all = golden.inputIds().length;
          int[] lengths =
              IntStream.of(1, 7, all, 33).filter(length -> length >= golden.shortest()).toArray();
          // Where the length changes every position, only one step can be compared.
          int before = golden.shortest() == 1 ? 6 : 0;
          float[] together = lastLogits(golden, device, options, before, lengths);
          for (int i = 0; i < lengths.length; i++) {
            String what = name + " " + choice + " " + form + ", length " + lengths[i];
            int width = together.length / lengths.length;
            float[] row = Arrays.copyOfRange(together, i * width, (i + 1) * width);
            assertArrayEquals(row, lastLogits(golden, device, options, before, lengths[i]), what);
            int at = (lengths[i] - 1) * width;
            float[] expected = Arrays.copyOfRange(golden.logits(), at, at + width);
            double difference = difference(golden.logits(), expected, row);
            assertTrue(difference <= F32_BOUND, what + ": " + difference);
          }
        }
      }
    }
  }

  /** A row for each sequence: the first ids of the case, all but {@code before} in one step. */
  static float[] lastLogits(
      Golden golden, Device device, DecoderOptions options, int before, int... lengths) {
    try (Checkpoint checkpoint = Checkpoint.open(golden.directory());
        Decoder decoder = open(golden, checkpoint, device, options);
        LatentCache cache = decoder.newCache(lengths.length, golden.inputIds().length)) {
      Sequence[] sequences = new Sequence[lengths.length];
      int[][] first = new int[lengths.length][];
      int[][] rest = new int[lengths.length][];
      for (int i = 0; i < lengths.length; i++) {
        sequences[i] = cache.newSequence();
        int begin = Math.min(before, lengths[i] - 1);
        first[i] = Arrays.copyOf(golden.inputIds(), begin);
        rest[i] = Arrays.copyOfRange(golden.inputIds(), begin, lengths[i]);
      }
      Batch batch = Batch.of(sequences);
      if (before > 0) {
        decoder.append(batch, first);
      }
      float[] all = new float[lengths.length * decoder.model().vocabulary()];
      copyLogits(decoder, decoder.forwardLast(batch, rest), all, 0);
      return all;
    }
  }

  static double difference(Golden golden, Device device, DecoderOptions options) {
    float[] actual = logits(golden, device, options);
    return difference(golden.logits(), golden.logits(), actual);
  }

  private static double difference(float[] all, float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    double largest = 0;
    for (float value : all) {
      largest = Math.max(largest, Math.abs(value));
    }
    double difference = 0;
    for (int i = 0; i < actual.length; i++) {
      double d = Math.abs(expected[i] - actual[i]);
      difference = Double.isNaN(d) ? Double.NaN : Math.max(difference, d);
    }
    return difference / largest;
  }

  static float[] logits(Golden golden, Device device, DecoderOptions options) {
    int[] ids = golden.inputIds();
    try (Checkpoint checkpoint = Checkpoint.open(golden.directory());
        Decoder decoder = open(golden, checkpoint, device, options);
        LatentCache cache = decoder.newCache(1, ids.length);
        Sequence sequence = cache.newSequence()) {
      float[] all = new float[golden.logits().length];
      Batch batch = Batch.of(sequence);
      sequence.announce(ids.length);
      for (int begin = 0; begin < ids.length; begin += options.chunk()) {
        int end = Math.min(ids.length, begin + options.chunk());
        Tensor hidden = decoder.forward(batch, Arrays.copyOfRange(ids, begin, end));
        copyLogits(decoder, hidden, all, begin);
      }
      return all;
    }
  }

  /** The case's ids between two other sequences of a batch. */
  static float[] inBatch(Golden golden, Device device, DecoderOptions options) {
    int[] ids = golden.inputIds();
    try (Checkpoint checkpoint = Checkpoint.open(golden.directory());
        Decoder decoder = open(golden, checkpoint, device, options);
        LatentCache cache = decoder.newCache(3, ids.length);
        Sequence a = cache.newSequence();
        Sequence b = cache.newSequence();
        Sequence c = cache.newSequence()) {
      Tensor hidden =
          decoder.forward(
              Batch.of(a, b, c), Arrays.copyOf(ids, 5), ids, Arrays.copyOfRange(ids, 3, 40));
      float[] all = new float[golden.logits().length];
      copyLogits(decoder, hidden.slice(5, ids.length), all, 0);
      return all;
    }
  }

  static int[] continueGreedily(Golden golden, Device device, DecoderOptions options, int prompt) {
    int[] ids = Arrays.copyOf(golden.greedyIds(), prompt);
    try (Checkpoint checkpoint = Checkpoint.open(golden.directory());
        Decoder decoder = open(golden, checkpoint, device, options);
        LatentCache cache = decoder.newCache(1, golden.greedyIds().length);
        Sequence sequence = cache.newSequence()) {
      Batch batch = Batch.of(sequence);
      List<Integer> result = new ArrayList<>();
      Arrays.stream(ids).forEach(result::add);
      int[] next = ids;
      while (result.size() < golden.greedyIds().length) {
        Tensor hidden = decoder.forward(batch, next);
        float[] row = new float[decoder.model().vocabulary()];
        copyLogits(decoder, hidden.slice(hidden.dim(0) - 1, 1), row, 0);
        int best = 0;
        for (int i = 1; i < row.length; i++) {
          best = row[i] > row[best] ? i : best;
        }
        result.add(best);
        next = new int[] {best};
      }
      return result.stream().mapToInt(Integer::intValue).toArray();
    }
  }

  private static void copyLogits(Decoder decoder, Tensor hidden, float[] to, int firstRow) {
    int vocabulary = decoder.model().vocabulary();
    decoder.logits(
        hidden,
        (row, logits) ->
            MemorySegment.copy(
                logits.segment(),
                ValueLayout.JAVA_FLOAT,
                0,
                to,
                (firstRow + row) * vocabulary,
                vocabulary));
  }

  static Decoder open(Golden golden, Checkpoint checkpoint, Device device, DecoderOptions options) {
    ModelDescription model = ConfigReader.read(golden.directory());
    return new Decoder(model, WeightTable.resolve(model, checkpoint), device, options);
  }
}
