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
import java.util.Arrays;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The carried model with grouped keys and values against what Hugging Face transformers computes
 * with it (models/tiny-gqa/expected.json), and what the cache does for it.
 */
class TinyGqaTest {
  private static final Path DIRECTORY =
      Path.of(System.getProperty("mla4j.root"), "models/tiny-gqa");
  private static final JsonNode EXPECTED = expected();

  static Stream<Backends.Choice> devices() {
    return GoldenLogitsTest.devices();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void logitsAndTextsAreThoseOfTransformers(Backends.Choice choice) {
    try (Model model = open(choice, ComputeType.F32)) {
      assertTrue(logitDifference(model) <= 3e-5, choice + ": " + logitDifference(model));
      Stream<JsonNode> more =
          StreamSupport.stream(EXPECTED.get("more_greedy").spliterator(), false);
      for (JsonNode node :
          Stream.concat(Stream.of(EXPECTED.get("greedy"), EXPECTED.get("chat")), more).toList()) {
        int[] ids = ints(node.get("ids"));
        Generation generation = generate(model, ints(node.get("prompt_ids")), ids.length);
        assertArrayEquals(ids, generation.ids(), choice + " " + node.get("prompt"));
      }
    }
    try (Model model = open(choice, ComputeType.BF16)) {
      assertTrue(logitDifference(model) <= 1e-2, choice + ": " + logitDifference(model));
    }
  }

  @Test
  void perplexityIsThatOfTransformers() throws IOException {
    JsonNode head = EXPECTED.get("perplexity_head");
    try (Model model = open(Backends.Choice.BEST, ComputeType.F32)) {
      int[] ids =
          model.tokenizer().encode(Files.readString(DIRECTORY.resolve("heldout.txt")), false);
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
        ConfigReader.read(DIRECTORY).cacheBytesPerToken(CacheType.BF16));
  }

  @Test
  void aSessionCanBeKeptInAFileAndGoOn(@TempDir Path folder) {
    int[] prompt = ints(EXPECTED.get("greedy").get("prompt_ids"));
    int[] ids = ints(EXPECTED.get("greedy").get("ids"));
    Path file = folder.resolve("text.safetensors");
    try (Model model = open(Backends.Choice.BEST, ComputeType.F32)) {
      try (Session session = model.session()) {
        session.append(prompt);
        session.save(file);
      }
      try (Session session = model.load(file)) {
        assertArrayEquals(ids, session.generate(new int[0], greedy(ids.length), _ -> {}).ids());
      }
    }
  }

  private static Generation generate(Model model, int[] prompt, int count) {
    return model.generate(prompt, greedy(count), _ -> {});
  }

  private static GenerationOptions greedy(int count) {
    return GenerationOptions.of(count, SamplingOptions.GREEDY);
  }

  private static Model open(Backends.Choice choice, ComputeType compute) {
    return Model.builder(DIRECTORY)
        .backend(choice.backend())
        .isa(choice.isa())
        .threads(choice.threads())
        .compute(compute)
        .open();
  }

  /** The largest difference of the known top five, relative to the largest logit. */
  private static double logitDifference(Model model) {
    JsonNode expected = EXPECTED.get("logits");
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

  private static JsonNode expected() {
    try {
      return new ObjectMapper().readTree(DIRECTORY.resolve("expected.json").toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
