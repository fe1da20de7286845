package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A model as a GGUF file: what the reader of such files finds in it. */
class GgufExportTest {
  private static final int THREADS = 3;

  @TempDir Path folder;

  private static Path golden(String name) throws URISyntaxException {
    return Path.of(GgufExportTest.class.getResource("/golden/" + name).toURI());
  }

  private Path export(Path model, FileType type) {
    return export(model, type, MtpLayer.DROP);
  }

  private Path export(Path model, FileType type, MtpLayer mtp) {
    Path file = folder.resolve("model.gguf");
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      new GgufExport(checkpoint, ConfigReader.read(model), type, mtp, "a model")
          .write(file, THREADS, bytes -> {});
    }
    return file;
  }

  private static float[] latentUp(WeightTable.Layer layer) {
    return layer.all(TensorRole.LATENT_UP).getFirst().toFloats();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "v2-lite",
        "v2-grouped",
        "v3-yarn",
        "v3-all-dense",
        "v3-linear-rope",
        "moonlight",
        "kimi-k2",
        "youtu",
        "glm4-moe-lite"
      })
  void theModelIsTheSame(String name) throws Exception {
    Path model = golden(name);
    ModelDescription expected = ConfigReader.read(model);
    Path file = export(model, FileType.BF16);
    ModelDescription actual = ConfigReader.read(file);
    assertEquals(expected.layers(), actual.layers());
    assertEquals(expected.normEps(), actual.normEps());
    assertEquals(expected.context(), actual.context());
    try (Checkpoint from = Checkpoint.open(model);
        Checkpoint to = Checkpoint.open(file)) {
      WeightTable a = WeightTable.resolve(expected, from);
      WeightTable b = WeightTable.resolve(actual, to);
      assertArrayEquals(a.embedding().toFloats(), b.embedding().toFloats());
      assertArrayEquals(a.output().toFloats(), b.output().toFloats());
      for (int l = 0; l < a.layers().size(); l++) {
        for (TensorRole role : a.layers().get(l).tensors().keySet()) {
          if (role != TensorRole.LATENT_UP) {
            assertSame(a.layers().get(l).all(role), b.layers().get(l).all(role));
          }
        }
        assertHeads(expected.layers().get(l).mla(), a.layers().get(l), b.layers().get(l));
      }
    }
  }

  /** All keys of a file but {@code general.}'s, in their order, without the architecture's name. */
  private static String keys(Path file) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      GgufMetadata metadata = checkpoint.gguf().orElseThrow();
      assertEquals("model", metadata.text("general.type").orElseThrow());
      assertEquals("a model", metadata.text("general.name").orElseThrow());
      assertEquals(
          FileType.BF16.code(), metadata.wholeNumber("general.file_type", 0, 99).orElseThrow());
      assertEquals(2, metadata.wholeNumber("general.quantization_version", 0, 9).orElseThrow());
      return metadata.keys().stream()
          .filter(key -> !key.startsWith("general."))
          .map(key -> key.replaceFirst("^deepseek2.", "") + " " + metadata.json(key) + "\n")
          .collect(Collectors.joining());
    }
  }

  @Test
  void keysAreThoseOfTheArchitecture() throws Exception {
    assertEquals(
        """
        block_count 4
        nextn_predict_layers 1
        context_length 10240
        embedding_length 64
        vocab_size 320
        attention.head_count 4
        attention.head_count_kv 1
        attention.layer_norm_rms_epsilon 1.0E-6
        attention.q_lora_rank 48
        attention.kv_lora_rank 32
        attention.key_length 40
        attention.value_length 32
        attention.key_length_mla 24
        attention.value_length_mla 16
        rope.dimension_count 8
        rope.freq_base 10000.0
        rope.scaling.type "yarn"
        rope.scaling.factor 40.0
        rope.scaling.original_context_length 256
        rope.scaling.yarn_log_multiplier 0.1
        rope.scaling.yarn_beta_fast 32.0
        rope.scaling.yarn_beta_slow 1.0
        leading_dense_block_count 1
        feed_forward_length 160
        expert_feed_forward_length 24
        expert_count 16
        expert_used_count 4
        expert_shared_count 1
        expert_group_count 4
        expert_group_used_count 2
        expert_weights_scale 2.5
        expert_weights_norm true
        expert_gating_func 2
        """,
        keys(export(golden("v3-mtp"), FileType.BF16, MtpLayer.KEEP)));
    String dropped = keys(export(golden("v3-mtp"), FileType.BF16, MtpLayer.DROP));
    assertTrue(dropped.startsWith("block_count 3\ncontext_length 10240\n"), dropped);
  }

  @Test
  void aModelWithoutExpertsSaysSo() throws Exception {
    String keys = keys(export(golden("youtu"), FileType.BF16));
    assertTrue(
        keys.endsWith(
            """
            rope.freq_base 100000.0
            leading_dense_block_count 3
            feed_forward_length 160
            expert_feed_forward_length 0
            expert_shared_count 0
            expert_weights_scale 1.0
            """),
        keys);
  }

  /** Matrices of keys and values stand apart in it, three dimensions each. */
  @Test
  void aGgufFileBecomesItself() throws Exception {
    Path once = export(golden("v3-mtp"), FileType.BF16, MtpLayer.KEEP);
    Path moved = Files.move(once, folder.resolve("once.gguf"));
    assertEquals(-1, Files.mismatch(moved, export(moved, FileType.BF16, MtpLayer.KEEP)));
    try (Checkpoint checkpoint = Checkpoint.open(moved)) {
      assertTrue(checkpoint.find("blk.3.nextn.embed_tokens.weight").isPresent());
      assertTrue(checkpoint.find("blk.3.nextn.shared_head_head.weight").isPresent());
    }
  }

  @Test
  void keysOfTheCallerFollow() throws Exception {
    Path other =
        new GgufBytes()
            .text("general.architecture", "deepseek2")
            .texts("tokenizer.tokens", "a", "\u00e9", "")
            .f32("tokenizer.weight", 0.25f)
            .u32("other.number", 9)
            .tensor("t", 0, new byte[4], 1)
            .write(folder.resolve("other.gguf"));
    Path file = folder.resolve("model.gguf");
    try (Checkpoint checkpoint = Checkpoint.open(golden("youtu"));
        Checkpoint from = Checkpoint.open(other)) {
      GgufExport export =
          new GgufExport(
              checkpoint, ConfigReader.read(checkpoint), FileType.Q8_0, MtpLayer.KEEP, "name");
      export.put("k.text", "\u00e9").put("k.number", -1).put("k.flag", true).put("k.off", false);
      export.put("k.texts", List.of("b", "")).put("k.numbers", new int[] {1, -2});
      export.copy(from.gguf().orElseThrow(), "tokenizer.");
      InvalidArgumentException taken =
          assertThrows(InvalidArgumentException.class, () -> export.put("k.flag", 1));
      assertEquals("key 'k.flag' is taken", taken.getMessage());
      long all = checkpoint.tensors().values().stream().mapToLong(StoredTensor::bytes).sum();
      assertEquals(all, export.bytesToRead());
      AtomicLong told = new AtomicLong();
      export.write(file, THREADS, told::addAndGet);
      assertEquals(all, told.get());
    }
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      GgufMetadata keys = checkpoint.gguf().orElseThrow();
      assertEquals(
          "\"\u00e9\" 4294967295 true false [\"b\",\"\"] [1,-2] [\"a\",\"\u00e9\",\"\"] 0.25",
          Stream.of("k.text", "k.number", "k.flag", "k.off", "k.texts", "k.numbers")
                  .map(key -> keys.json(key).toString())
                  .collect(Collectors.joining(" "))
              + Stream.of("tokenizer.tokens", "tokenizer.weight")
                  .map(key -> " " + keys.json(key))
                  .collect(Collectors.joining()));
      assertFalse(keys.has("other.number"));
    }
  }

  @Test
  void aLayerForMultiTokenPredictionIsKept() throws Exception {
    Path model = golden("v3-mtp");
    ModelDescription expected = ConfigReader.read(model);
    Path file = export(model, FileType.BF16, MtpLayer.KEEP);
    ModelDescription actual = ConfigReader.read(file);
    assertEquals(expected.layers(), actual.layers());
    try (Checkpoint from = Checkpoint.open(model);
        Checkpoint to = Checkpoint.open(file)) {
      WeightTable.resolve(actual, to);
      WeightTable a = WeightTable.resolvePredictor(expected.predictor().orElseThrow(), from);
      WeightTable b = WeightTable.resolvePredictor(actual.predictor().orElseThrow(), to);
      assertArrayEquals(a.embedding().toFloats(), b.embedding().toFloats());
      assertArrayEquals(a.finalNorm().toFloats(), b.finalNorm().toFloats());
      assertArrayEquals(a.output().toFloats(), b.output().toFloats());
      WeightTable.Layer layer = a.layers().getFirst();
      assertTrue(layer.tensors().containsKey(TensorRole.PREDICTOR_JOIN));
      for (TensorRole role : layer.tensors().keySet()) {
        if (role != TensorRole.LATENT_UP) {
          assertSame(layer.all(role), b.layers().getFirst().all(role));
        }
      }
      assertHeads(expected.layers().getLast().mla(), layer, b.layers().getFirst());
    }
  }

  @Test
  void aLayerForMultiTokenPredictionIsDroppedWhereThatIsAsked() throws Exception {
    Path file = export(golden("v3-mtp"), FileType.BF16, MtpLayer.DROP);
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      ModelDescription model = ConfigReader.read(file);
      assertFalse(WeightTable.hasPredictor(model.predictor().orElseThrow(), checkpoint));
    }
  }

  @Test
  void severalLayersForMultiTokenPredictionAreRefused() throws Exception {
    Path model = folder.resolve("two");
    Path one = golden("v3-mtp");
    Files.createDirectory(model);
    Files.copy(one.resolve("config.json"), model.resolve("config.json"));
    byte[] file = Files.readAllBytes(one.resolve("model.safetensors"));
    int layer = ConfigReader.read(one).layers().size();
    // The projection of the layer behind the one that is there, in place of another tensor.
    String text = new String(file, StandardCharsets.ISO_8859_1);
    String tensor = "model.layers." + layer + ".self_attn.o_proj.weight\"";
    assertTrue(text.contains(tensor));
    String projection = "model.layers." + (layer + 1) + ".eh_proj.weight\"";
    text = text.replace(tensor, projection + " ".repeat(tensor.length() - projection.length()));
    Files.write(model.resolve("model.safetensors"), text.getBytes(StandardCharsets.ISO_8859_1));
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> export(model, FileType.BF16, MtpLayer.KEEP));
    assertTrue(e.getMessage().contains("several layers for multi-token"), e.getMessage());
    export(model, FileType.BF16, MtpLayer.DROP);
  }

  private static void assertSame(List<StoredTensor> expected, List<StoredTensor> actual) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i).toFloats(), actual.get(i).toFloats());
    }
  }

  /** Keys are transposed, values as they were. */
  private static void assertHeads(
      AttentionDescription.Mla mla, WeightTable.Layer fused, WeightTable.Layer split) {
    int nope = mla.shape().nope();
    int value = mla.shape().value();
    int latent = mla.shape().latent();
    float[] latentUp = latentUp(fused);
    float[] keys = split.all(TensorRole.KEYS_UP).getFirst().toFloats();
    float[] values = split.all(TensorRole.VALUES_UP).getFirst().toFloats();
    for (int h = 0; h < mla.shape().heads(); h++) {
      for (int j = 0; j < latent; j++) {
        for (int i = 0; i < nope; i++) {
          assertEquals(
              latentUp[(h * (nope + value) + i) * latent + j], keys[(h * latent + j) * nope + i]);
        }
        for (int i = 0; i < value; i++) {
          assertEquals(
              latentUp[(h * (nope + value) + nope + i) * latent + j],
              values[(h * value + i) * latent + j]);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(FileType.class)
  void everyTypeOpens(FileType type) throws Exception {
    Path file = export(golden("v3-fp8-blocks"), type);
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      WeightTable.resolve(ConfigReader.read(file), checkpoint);
      assertEquals(StoredType.F32, checkpoint.get("output_norm.weight").type());
      assertEquals(StoredType.F32, checkpoint.get("blk.1.ffn_gate_inp.weight").type());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "Q4_K_M, DENSE_DOWN, 512, 0, 27, Q6_K", // the first eighth
    "Q4_K_M, DENSE_DOWN, 512, 3, 27, Q4_K",
    "Q4_K_M, EXPERT_DOWN, 1408, 5, 27, Q8_0", // every third, where rows are no multiple of 256
    "Q4_K_M, EXPERT_DOWN, 1408, 6, 27, Q5_0",
    "Q4_K_M, KEYS_UP, 128, 3, 27, Q5_0",
    "Q4_K_M, EMBEDDING, 2048, -1, 27, Q4_K",
    "Q4_K_M, OUTPUT, 2048, -1, 27, Q6_K",
    "Q4_0, OUTPUT, 2048, -1, 27, Q6_K",
    "Q8_0, OUTPUT, 2048, -1, 27, Q8_0",
    "Q6_K, QUERY, 48, 1, 27, F16",
    "BF16, OUTPUT, 2048, -1, 27, BF16"
  })
  void typesOfWeightsAreThoseOfLlamaQuantize(
      FileType type, TensorRole role, int columns, int layer, int layers, StoredType expected) {
    assertEquals(expected, type.of(role, columns, layer, layers, false));
  }

  @Test
  void anEmbeddingThatIsTheOutputHasItsType() {
    assertEquals(StoredType.Q6_K, FileType.Q4_K_M.of(TensorRole.EMBEDDING, 2048, -1, 27, true));
  }

  @ParameterizedTest
  @CsvSource({
    "minicpm3, factors on embeddings",
    "v3-bias-plain-rope, biases",
    "v3-half-split-rope, a rotation in halves",
    "v3-dynamic-ntk, the scaling",
    "kimi-linear, layers without latent attention",
    "axk1, a norm behind it",
    "plm, networks without gates",
    "v32-sparse, attention to chosen tokens",
    "longcat-flash, factors or gates in attention"
  })
  void whatTheArchitectureCannotSayIsRefused(String name, String what) throws Exception {
    Path model = golden(name);
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> export(model, FileType.Q8_0));
    assertTrue(e.getMessage().contains(what), e.getMessage());
  }

  private void refused(String name, Consumer<ObjectNode> change, String what) throws IOException {
    ModelFiles files = ModelFiles.copyOf(name, Files.createTempDirectory(folder, name));
    files.json("config.json", change);
    refused(files, what);
  }

  private void refused(ModelFiles files, String what) {
    String message =
        assertThrows(CheckpointException.class, () -> export(files.directory(), FileType.BF16))
            .getMessage();
    String model = files.directory().resolve("model.safetensors") + ": the model has ";
    assertTrue(message.startsWith(model + what), message);
  }

  /** In mla4j's own words: without experts, each layer's latents of another width. */
  private static ObjectNode own(ObjectNode config) {
    config.put("model_type", "mla4j_mla").put("first_k_dense_replace", 0);
    return config.putNull("n_routed_experts");
  }

  private static ObjectNode rope(ObjectNode config) {
    return (ObjectNode) config.get("rope_scaling");
  }

  @Test
  void eachThingThatTheArchitectureCannotSayIsRefusedByItself() throws IOException {
    String factors = "factors on embeddings, branches or outputs";
    refused("minicpm3", c -> c.putNull("scale_depth").putNull("dim_model_base"), factors);
    refused("minicpm3", c -> c.put("scale_emb", 1).putNull("dim_model_base"), factors);
    refused("minicpm3", c -> c.put("scale_emb", 1).putNull("scale_depth"), factors);
    refused(
        "v3-f16",
        c -> own(c).putArray("kv_lora_ranks").add(16).add(8),
        "layers that attend each in its own way");
    refused("v3-f16", c -> own(c).put("kv_a_norm", false), "latents without a norm");
    refused(
        "v3-f16",
        c -> own(c).put("rms_norm_eps", 1e-5),
        "norms of latents with an epsilon of 1.0E-5");
    refused(
        "v3-f16",
        c ->
            own(c)
                .put("position_embedding", "alibi")
                .put("qk_rope_head_dim", 0)
                .putNull("rope_scaling"),
        "biases of attention");
    refused("mistral4", _ -> {}, "factors or gates in attention");
    refused("ling-hybrid", c -> c.put("layer_group_size", 1), "factors or gates in attention");
    refused(
        "longcat-flash",
        c -> c.put("mla_scale_q_lora", false).put("mla_scale_kv_lora", false),
        "a mixture with shortcuts");
    String yarn = "a YaRN with a factor on cosines";
    refused("v3-f16", c -> rope(c).put("truncate", false), yarn);
    refused("v3-f16", c -> rope(c).put("mscale", 0.5), yarn);
    // four digits are looked at
    refused(
        "v3-f16",
        c -> rope(c).put("mscale", 0.70715).put("mscale_all_dim", 0.70715),
        "a factor of 1.5");
    refused(
        "v3-f16",
        c ->
            c.putObject("rope_scaling")
                .put("type", "linear")
                .put("factor", 4)
                .put("mscale_all_dim", 1),
        "a factor of 1.2964");
  }

  /** Networks of its two layers in turn: the mixture first. */
  private ModelFiles turned() {
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder.resolve("turned"));
    files.json(
        "config.json", config -> config.putArray("mlp_layer_types").add("sparse").add("dense"));
    files.header(
        "model.safetensors",
        header -> {
          for (String name : header.properties().stream().map(Map.Entry::getKey).toList()) {
            if (name.contains("layers.0.mlp") || name.contains("layers.1.mlp")) {
              header.set("turned." + name, header.remove(name));
            }
          }
          for (String name : header.properties().stream().map(Map.Entry::getKey).toList()) {
            if (name.startsWith("turned.")) {
              int layer = name.contains("layers.0.mlp") ? 1 : 0;
              header.set(
                  name.replaceFirst("turned.(.*layers.)[01].mlp", "$1" + layer + ".mlp"),
                  header.remove(name));
            }
          }
        });
    return files;
  }

  @Test
  void denseLayersBehindMixturesAreRefused() {
    refused(turned(), "dense layers behind mixtures");
  }

  /** Readers ask for the width of dense networks of all files. */
  @Test
  void aModelOfMixturesAloneHasAWidthOfDenseNetworksToo() {
    ModelFiles files = turned();
    files.json(
        "config.json",
        config -> config.put("num_hidden_layers", 1).putArray("mlp_layer_types").add("sparse"));
    Path file = export(files.directory(), FileType.BF16);
    String keys = keys(file);
    assertTrue(keys.contains("leading_dense_block_count 0\nfeed_forward_length 32\n"), keys);
    assertEquals(ConfigReader.read(files.directory()).layers(), ConfigReader.read(file).layers());
  }

  @Test
  void anInterruptEndsIt() throws IOException {
    Path file = folder.resolve("old.gguf");
    Files.writeString(file, "old");
    try (Checkpoint checkpoint = Checkpoint.open(GoldenCheckpointsTest.GOLDEN.resolve("youtu"))) {
      GgufExport export =
          new GgufExport(
              checkpoint, ConfigReader.read(checkpoint), FileType.Q8_0, MtpLayer.KEEP, "name");
      Mla4jException e =
          assertThrows(
              Mla4jException.class,
              () -> export.write(file, THREADS, _ -> Thread.currentThread().interrupt()));
      assertTrue(Thread.interrupted());
      assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
    }
    assertEquals("old", Files.readString(file));
  }
}
