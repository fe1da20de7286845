package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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

  /** In mla4j's own words each layer may have latents of another width. */
  @Test
  void latentsOfSeveralWidthsAreRefused() throws IOException {
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder.resolve("ranks"));
    files.json(
        "config.json",
        config ->
            config
                .put("model_type", "mla4j_mla")
                .putNull("n_routed_experts")
                .put("first_k_dense_replace", 0)
                .putArray("kv_lora_ranks")
                .add(16)
                .add(8));
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> export(files.directory(), FileType.BF16));
    assertTrue(e.getMessage().contains("layers that attend each in its own way"), e.getMessage());
  }

  @Test
  void aValueThatIsNoNumberLeavesTheOldFile() throws IOException {
    Path file = folder.resolve("old.gguf");
    Files.writeString(file, "old");
    float[] values = new float[64];
    values[33] = Float.NaN;
    Tensor tensor =
        Tensor.of(Arena.ofAuto().allocate(256, 64), StorageFormat.F32, 2, 32).copyFrom(values);
    StoredTensor stored =
        new StoredTensor("w", file, StoredType.F32, List.of(2L, 32L), tensor.segment());
    GgufWriter writer =
        new GgufWriter()
            .tensor(
                "weight",
                StoredType.Q8_0,
                List.of(2L, 32L),
                RowSource.Matrices.of(List.of(stored)));
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> writer.write(file, 2, bytes -> {}));
    assertTrue(e.getMessage().contains("weight"), e.getMessage());
    assertEquals("old", Files.readString(file));
    try (var left = Files.list(folder)) {
      assertEquals(1, left.count());
    }
    assertFalse(e.getMessage().contains("\n"));
  }
}
