package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.text.Generation;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The carried models beside tiny-mla against their expected.json: of tiny-gqa what Hugging Face
 * transformers computes with it, of tiny-mla-alibi what the code that trained it does; and what the
 * cache does for keys and values.
 */
class CarriedModelsTest {
  private static final Path MODELS = Path.of(System.getProperty("mla4j.root"), "models");
  private static final String GQA = "tiny-gqa";

  static Stream<Arguments> modelsAndDevices() {
    return Stream.of(GQA, "tiny-mla-alibi")
        .flatMap(name -> GoldenLogitsTest.devices().map(choice -> Arguments.of(name, choice)));
  }

  @ParameterizedTest
  @MethodSource("modelsAndDevices")
  void logitsAndTextsAreTheExpectedOnes(String name, Backends.Choice choice) {
    JsonNode expected = expected(name);
    try (Model model = open(name, choice, ComputeType.F32)) {
      double difference = logitDifference(model, expected);
      assertTrue(difference <= 3e-5, choice + ": " + difference);
      List<JsonNode> texts = new ArrayList<>(List.of(expected.get("greedy")));
      if (!choice.backend().equals("scalar")) { // takes as long for one as the others for all
        expected.get("more_greedy").forEach(texts::add);
      }
      for (JsonNode node : texts) {
        int[] ids = ints(node.get("ids"));
        Generation generation =
            model.generate(ints(node.get("prompt_ids")), greedy(ids.length), _ -> {});
        assertArrayEquals(ids, generation.ids(), choice + " " + node.get("prompt"));
      }
    }
    try (Model model = open(name, choice, ComputeType.BF16)) {
      double difference = logitDifference(model, expected);
      assertTrue(difference <= 1e-2, choice + ": " + difference);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {GQA, "tiny-mla-alibi"})
  void perplexityIsTheExpectedOne(String name) throws IOException {
    JsonNode head = expected(name).get("perplexity_head");
    try (Model model = open(name, Backends.Choice.BEST, ComputeType.F32)) {
      int[] ids =
          model
              .tokenizer()
              .encode(Files.readString(MODELS.resolve(name).resolve("heldout.txt")), false);
      int scored = head.get("scored_tokens").asInt();
      int window = head.get("context").asInt() - 1;
      double[] nats = {0};
      for (int from = 0; from < scored; from += window) {
        int[] text = Arrays.copyOfRange(ids, from, Math.min(scored, from + window));
        int[] input = new int[text.length];
        System.arraycopy(text, 0, input, 1, text.length - 1);
        model.logits(
            new int[][] {input},
            (_, position, row) ->
                nats[0] -=
                    logProbability(row.segment().toArray(ValueLayout.JAVA_FLOAT), text[position]));
      }
      assertEquals(head.get("value").asDouble(), Math.exp(nats[0] / scored), 2e-4);
    }
  }

  private static double logProbability(float[] logits, int id) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      largest = Math.max(largest, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - largest);
    }
    return logits[id] - largest - Math.log(sum);
  }

  @Test
  void theCacheHoldsKeysAndValuesOfEveryGroup() {
    assertEquals(
        6 * 4 * (32 + 32) * Short.BYTES,
        ConfigReader.read(MODELS.resolve(GQA)).cacheBytesPerToken(CacheType.BF16));
  }

  @Test
  void aSessionCanBeKeptInAFileAndGoOn(@TempDir Path folder) {
    int[] prompt = ints(expected(GQA).get("greedy").get("prompt_ids"));
    int[] ids = ints(expected(GQA).get("greedy").get("ids"));
    Path file = folder.resolve("text.safetensors");
    try (Model model = open(GQA, Backends.Choice.BEST, ComputeType.F32)) {
      try (Session session = model.session()) {
        session.append(prompt);
        session.save(file);
      }
      try (Session session = model.load(file)) {
        assertArrayEquals(ids, session.generate(new int[0], greedy(ids.length), _ -> {}).ids());
      }
    }
  }

  private static GenerationOptions greedy(int count) {
    return GenerationOptions.of(count, SamplingOptions.GREEDY);
  }

  private static Model open(String name, Backends.Choice choice, ComputeType compute) {
    return Model.builder(MODELS.resolve(name))
        .backend(choice.backend())
        .isa(choice.isa())
        .threads(choice.threads())
        .compute(compute)
        .open();
  }

  /** The largest difference of the known top five, relative to the largest logit. */
  private static double logitDifference(Model model, JsonNode expectations) {
    JsonNode expected = expectations.get("logits");
    int[] ids = ints(expected.get("ids"));
    double[] largest = {0, 0};
    model.logits(
        new int[][] {ids},
        (_, position, row) -> {
          float[] logits = row.segment().toArray(ValueLayout.JAVA_FLOAT);
          for (JsonNode top : expected.get("top5").get(position)) {
            double value = top.get(1).asDouble();
            largest[0] = Math.max(largest[0], Math.abs(value));
            largest[1] = Math.max(largest[1], Math.abs(value - logits[top.get(0).asInt()]));
          }
        });
    return largest[1] / largest[0];
  }

  private static JsonNode expected(String name) {
    try {
      return new ObjectMapper().readTree(MODELS.resolve(name).resolve("expected.json").toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
