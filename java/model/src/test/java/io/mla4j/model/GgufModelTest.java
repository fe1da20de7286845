package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.GgufBytes;
import io.mla4j.checkpoint.ModelDescription;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Models in GGUF files give the logits of the same models as they were published. */
class GgufModelTest {
  private static final List<String> DEEPSEEK2 =
      List.of(
          "v2-lite",
          "v2-grouped",
          "v3-yarn",
          "moonlight",
          "kimi-k2",
          "v3-f16",
          "v3-f32",
          "glm4-moe-lite",
          "youtu");

  /** Cases of architectures of their own, by the same names. */
  private static final List<String> OWN = List.of("minicpm3", "mistral4");

  @TempDir private Path folder;

  static Stream<Backends.Choice> devices() {
    return GoldenLogitsTest.devices();
  }

  private Golden twin(String name, boolean legacy, boolean fused) {
    String architecture =
        switch (name) {
          case "minicpm3", "mistral4" -> name;
          case "kimi-linear" -> name;
          case "ling-hybrid", "ling-limits" -> "bailingmoe3";
          case "v32-sparse" -> "deepseek32";
          case "glm-moe-dsa" -> "glm-dsa";
          default -> "deepseek2";
        };
    return GgufTwin.of(
        name, folder, new GgufTwin(Golden.directory(name), architecture, legacy, fused));
  }

  private static void assertAgrees(Golden golden, Device device) {
    for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
      for (int chunk : new int[] {72, 7}) {
        var options = new DecoderOptions(ComputeType.F32, CacheType.F32, form, 16, chunk);
        double difference = GoldenLogitsTest.difference(golden, device, options);
        assertTrue(
            difference <= GoldenLogitsTest.F32_BOUND,
            golden.name() + " " + device.isa() + " " + options + ": " + difference);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void splitTransposedAndStackedWeightsAgree(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      for (String name : DEEPSEEK2) {
        assertAgrees(twin(name, false, false), device);
      }
      for (String name : OWN) {
        assertAgrees(twin(name, false, false), device);
      }
    }
  }

  @Test
  void layersWithAStateAgree() {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      assertAgrees(twin("kimi-linear", false, false), device);
      assertAgrees(twin("ling-hybrid", false, false), device);
      assertAgrees(twin("ling-limits", false, false), device);
    }
  }

  @Test
  void layersWithAnIndexerAgree() {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      assertAgrees(twin("v32-sparse", false, false), device);
      assertAgrees(twin("glm-moe-dsa", false, false), device);
    }
  }

  @Test
  void oldFilesWithWholeUpProjectionAgree() {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      // Which of its layers share a choice, its tensors say.
      assertAgrees(twin("glm-moe-dsa", true, false), device);
      assertAgrees(twin("v2-lite", true, false), device);
      assertAgrees(twin("v3-yarn", true, false), device);
    }
  }

  @Test
  void fusedGatesAndUpProjectionsOfExpertsAgree() {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      assertAgrees(twin("v3-yarn", false, true), device);
    }
  }

  private ModelDescription read(String name) {
    return ConfigReader.read(twin(name, false, false).directory());
  }

  @Test
  void latentNormsHaveTheirOwnEpsilonWhateverTheFileSays() {
    ModelDescription moonlight = read("moonlight");
    assertEquals(1e-5f, moonlight.normEps());
    assertEquals(1e-6f, moonlight.layers().getFirst().mla().latentNormEps());
  }

  @Test
  void mistral4IsDescribedAsItWasPublished() {
    ModelDescription expected = ConfigReader.read(Golden.directory("mistral4"));
    ModelDescription actual = read("mistral4");
    assertEquals(expected.layers(), actual.layers());
    assertEquals(expected.normEps(), actual.normEps());
    assertEquals(expected.tied(), actual.tied());
  }

  @Test
  void theQueryLatentIsToldByTheTensorsThatAreThere() {
    assertTrue(read("v2-lite").layers().getFirst().mla().queryLatent().isEmpty());
    assertTrue(read("v2-grouped").layers().getFirst().mla().queryLatent().isPresent());
  }

  @Test
  void logMultiplierOfYarnIsATenthOfMscaleAllDim() {
    for (String name : List.of("v2-lite", "v3-yarn", "kimi-k2")) {
      assertEquals(
          ConfigReader.read(Golden.directory(name)).layers().getFirst().mla().scoreScale(),
          read(name).layers().getFirst().mla().scoreScale());
    }
  }

  @Test
  void descriptionsAreThoseOfTheConfiguration() {
    for (String name : DEEPSEEK2) {
      ModelDescription expected = ConfigReader.read(Golden.directory(name));
      ModelDescription actual = read(name);
      assertEquals(expected.layers(), actual.layers(), name);
      assertEquals(expected.tied(), actual.tied(), name);
    }
  }

  /** {@code deepseek2} keys alone, with a tensor that says how large the vocabulary is. */
  private ModelDescription keys(int layers, int vocabulary, GgufBytes more) {
    String d = "deepseek2.";
    Path file =
        more.text("general.architecture", "deepseek2")
            .u32(d + "block_count", layers)
            .u32(d + "vocab_size", vocabulary)
            .u32(d + "context_length", 64)
            .u32(d + "embedding_length", 1)
            .u32(d + "feed_forward_length", 8)
            .u32(d + "attention.head_count", 2)
            .u32(d + "attention.kv_lora_rank", 8)
            .u32(d + "attention.key_length_mla", 8)
            .u32(d + "attention.value_length_mla", 4)
            .u32(d + "rope.dimension_count", 4)
            .u32(d + "expert_count", 4)
            .u32(d + "expert_used_count", 2)
            .u32(d + "expert_feed_forward_length", 4)
            .f32(d + "attention.layer_norm_rms_epsilon", 1e-5f)
            .tensor("token_embd.weight", 24, new byte[vocabulary], 1, vocabulary)
            .write(folder.resolve("keys.gguf"));
    return ConfigReader.read(file);
  }

  @Test
  void anAbsentGatingFunctionIsSoftmaxButForGlm47Flash() {
    assertEquals("deepseek_v2", keys(27, 100, new GgufBytes()).family());
    assertEquals("deepseek_v2", keys(47, 100, new GgufBytes()).family());
    assertEquals("deepseek_v3", keys(47, 154880, new GgufBytes()).family());
    assertEquals("deepseek_v3", keys(48, 154880, new GgufBytes()).family());
    GgufBytes sigmoid = new GgufBytes().u32("deepseek2.expert_gating_func", 2);
    assertEquals("deepseek_v3", keys(27, 100, sigmoid).family());
  }

  @Test
  void layersThatPredictFurtherTokensAreNotCounted() {
    GgufBytes mtp = new GgufBytes().u32("deepseek2.nextn_predict_layers", 1);
    assertEquals(26, keys(27, 100, mtp).layers().size());
  }

  @Test
  void weightsOfExpertsAreRenormalisedOnlyWhereTheFileSaysSo() {
    GgufBytes sigmoid = new GgufBytes().u32("deepseek2.expert_gating_func", 2);
    var mixture = (FfnDescription.Mixture) keys(3, 100, sigmoid).layers().getLast().ffn();
    assertEquals(false, mixture.routing().renormalize());
  }

  @Test
  void whatChangesTheModelAndIsNotKnownIsRefusedByName() {
    assertRefused(
        new GgufBytes().u32("deepseek2.expert_gating_func", 4),
        "key 'deepseek2.expert_gating_func' is 4");
    assertRefused(
        new GgufBytes().f32("deepseek2.swiglu_clamp_exp", 7),
        "key 'deepseek2.swiglu_clamp_exp' is 7");
    assertRefused(
        new GgufBytes().text("deepseek2.rope.scaling.type", "spiral"),
        "key 'deepseek2.rope.scaling.type' is 'spiral'");
    assertRefused(
        new GgufBytes().text("deepseek2.expert_weights_scale", "2"),
        "key 'deepseek2.expert_weights_scale' is '2'");
  }

  private void assertRefused(GgufBytes more, String detail) {
    String message =
        assertThrows(CheckpointException.class, () -> keys(27, 100, more)).getMessage();
    assertTrue(message.contains("keys.gguf: " + detail), message);
  }

  @Test
  void greedyContinuationIsTheSame() {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      Golden golden = twin("kimi-k2", false, false);
      assertArrayEquals(
          golden.greedyIds(),
          GoldenLogitsTest.continueGreedily(
              golden, device, DecoderOptions.of(ComputeType.F32), 36));
    }
  }
}
