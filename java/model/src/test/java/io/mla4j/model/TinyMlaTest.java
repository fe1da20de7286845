package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.Backends;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.text.Generation;
import io.mla4j.text.Generation.FinishReason;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The carried model against what Hugging Face transformers computes with it
 * (models/tiny-mla/expected.json).
 */
class TinyMlaTest {
  static final Path DIRECTORY = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");
  static final JsonNode EXPECTED = expected();

  static Stream<Backends.Choice> devices() {
    return GoldenLogitsTest.devices();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void greedyTextIsExact(Backends.Choice choice) {
    for (ComputeType compute : ComputeType.values()) {
      try (TinyMla model = TinyMla.open(choice, compute)) {
        JsonNode greedy = EXPECTED.get("greedy");
        int[] prompt = model.opened.tokenizer().encode(greedy.get("prompt").asText(), true);
        assertArrayEquals(ints(greedy.get("prompt_ids")), prompt);
        Generation generation = model.generate(prompt, 24);
        assertArrayEquals(ints(greedy.get("ids")), generation.ids(), choice + " " + compute);
        assertEquals(greedy.get("text").asText(), generation.text());
        assertEquals(FinishReason.LENGTH, generation.finishReason());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void otherContinuationsAreExactInF32(Backends.Choice choice) {
    try (TinyMla model = TinyMla.open(choice, ComputeType.F32)) {
      Stream<JsonNode> more =
          StreamSupport.stream(EXPECTED.get("more_greedy").spliterator(), false);
      for (JsonNode node : Stream.concat(more, Stream.of(EXPECTED.get("chat"))).toList()) {
        int[] ids = ints(node.get("ids"));
        Generation generation = model.generate(ints(node.get("prompt_ids")), ids.length);
        assertArrayEquals(ids, generation.ids(), choice + " " + node.get("prompt"));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void logitsAgreeOverTwoHundredPositions(Backends.Choice choice) {
    assertTrue(logitDifference(choice, ComputeType.F32) <= 3e-5, choice.toString());
    double bf16 = logitDifference(choice, ComputeType.BF16);
    assertTrue(bf16 <= 1e-2, choice + ": " + bf16);
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void weightsThatStayInMemoryChangeNothing() {
    JsonNode greedy = EXPECTED.get("greedy");
    try (Model model = Model.builder(DIRECTORY).pinShared(true).open()) {
      Generation generation = model.generate(ints(greedy.get("prompt_ids")), greedy(24), _ -> {});
      assertArrayEquals(ints(greedy.get("ids")), generation.ids());
    }
  }

  @Test
  void streamsTheTextThatItReturns() {
    try (TinyMla model = TinyMla.open(Backends.Choice.BEST, ComputeType.F32)) {
      StringBuilder streamed = new StringBuilder();
      Generation generation =
          model.opened.generate(
              ints(EXPECTED.get("greedy").get("prompt_ids")), greedy(24), streamed::append);
      assertEquals(generation.text(), streamed.toString());
    }
  }

  @Test
  void stopsAtAStopTextAndLeavesItOut() {
    try (TinyMla model = TinyMla.open(Backends.Choice.BEST, ComputeType.F32)) {
      int[] prompt = ints(EXPECTED.get("greedy").get("prompt_ids"));
      Generation generation = model.generate(prompt, 24, "thy face", "never");
      assertEquals(FinishReason.STOP, generation.finishReason());
      assertEquals(" unto me, saying, Son of man, set ", generation.text());
      int[] all = ints(EXPECTED.get("greedy").get("ids"));
      assertEquals(all[generation.ids().length - 1], generation.ids()[generation.ids().length - 1]);
    }
  }

  @Test
  void endsWithTheTextThatEndsAndSaysWhy() {
    try (TinyMla model = TinyMla.open(Backends.Choice.BEST, ComputeType.F32)) {
      JsonNode psalm = EXPECTED.get("more_greedy").get(0);
      Generation generation = model.generate(ints(psalm.get("prompt_ids")), 100);
      assertEquals(FinishReason.EOS, generation.finishReason());
      assertArrayEquals(ints(psalm.get("ids")), generation.ids());
      assertEquals(" for his mercy endureth for ever.", generation.text());
    }
  }

  @Test
  void aFullContextEndsTheTextAndLosesNothing() {
    try (TinyMla model = TinyMla.open(Backends.Choice.BEST, ComputeType.F32)) {
      int context = model.opened.description().context();
      int[] prompt = new int[context - 3];
      Arrays.fill(prompt, 263);
      Generation generation = model.generate(prompt, 100);
      assertTrue(
          generation.finishReason() == FinishReason.CONTEXT && generation.ids().length == 4
              || generation.finishReason() == FinishReason.EOS,
          generation.finishReason() + " after " + generation.ids().length);
    }
  }

  @Test
  void theBestBackendAgreesWithTheScalarOneOnTheWholeVocabulary() {
    try (TinyMla a = TinyMla.open(Backends.Choice.BEST, ComputeType.F32);
        TinyMla b = TinyMla.open(new Backends.Choice("scalar", null, 2), ComputeType.F32)) {
      int[] ids = ints(EXPECTED.get("logits").get("ids"));
      float[][] x = a.logits(ids);
      float[][] y = b.logits(ids);
      for (int i = 0; i < x.length; i++) {
        assertArrayEquals(x[i], y[i], 1e-4f, "position " + i);
      }
    }
  }

  /** The largest difference of the known top five, relative to the largest logit. */
  private static double logitDifference(Backends.Choice choice, ComputeType compute) {
    return logitDifference(Backends.open(choice), compute);
  }

  static double logitDifference(Device device, ComputeType compute) {
    JsonNode expected = EXPECTED.get("logits");
    try (TinyMla model = TinyMla.open(device, compute)) {
      float[][] actual = model.logits(ints(expected.get("ids")));
      double largest = 0;
      double difference = 0;
      for (int i = 0; i < actual.length; i++) {
        for (JsonNode top : expected.get("top5").get(i)) {
          double value = top.get(1).asDouble();
          largest = Math.max(largest, Math.abs(value));
          difference = Math.max(difference, Math.abs(value - actual[i][top.get(0).asInt()]));
        }
      }
      return difference / largest;
    }
  }

  private static JsonNode expected() {
    try {
      return new ObjectMapper().readTree(DIRECTORY.resolve("expected.json").toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  private static GenerationOptions greedy(int maxTokens, String... stop) {
    return GenerationOptions.of(maxTokens, SamplingOptions.GREEDY).stopAt(stop);
  }

  /** The model as users open it. */
  record TinyMla(Model opened, Device owned) implements AutoCloseable {
    static TinyMla open(Backends.Choice choice, ComputeType compute) {
      return new TinyMla(
          Model.builder(DIRECTORY)
              .backend(choice.backend())
              .isa(choice.isa())
              .threads(choice.threads())
              .compute(compute)
              .open(),
          null);
    }

    static TinyMla open(Device device, ComputeType compute) {
      return new TinyMla(Model.builder(DIRECTORY).device(device).compute(compute).open(), device);
    }

    Generation generate(int[] prompt, int maxTokens, String... stop) {
      return opened.generate(prompt, greedy(maxTokens, stop), _ -> {});
    }

    float[][] logits(int[] ids) {
      float[][] rows = new float[ids.length][];
      opened.logits(
          new int[][] {ids},
          (_, position, logits) ->
              rows[position] = logits.segment().toArray(ValueLayout.JAVA_FLOAT));
      return rows;
    }

    @Override
    public void close() {
      opened.close();
      if (owned != null) {
        owned.close();
      }
    }
  }
}
