package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights of safetensors files whose scales lie in tensors of their own. */
class QuantizedWeightsTest {
  private static final String MODEL = "model.safetensors";
  private static final String Q_A = "model.layers.0.self_attn.q_a_proj.";

  @TempDir private Path folder;

  private ModelFiles files(String name) {
    return ModelFiles.copyOf(name, folder.resolve(name + System.nanoTime()));
  }

  private static ObjectNode quantization(ObjectNode config) {
    return (ObjectNode)
        (config.has("text_config") ? config.get("text_config") : config)
            .path("quantization_config");
  }

  private static ObjectNode group(ObjectNode config) {
    return (ObjectNode) quantization(config).path("config_groups").path("group_0");
  }

  private static void assertRefused(ModelFiles files, String detail) {
    String message = assertThrows(CheckpointException.class, files::open).getMessage();
    assertTrue(message.contains(detail), message);
    assertFalse(message.contains("\n"), message);
  }

  private void assertConfigRefused(String name, Consumer<ObjectNode> change, String detail) {
    ModelFiles files = files(name);
    files.json("config.json", change);
    assertRefused(files, detail);
  }

  @Test
  void methodsAndFormatsThatAreNotSupportedAreNamed() {
    for (String method : List.of("gptq", "awq", "bitsandbytes")) {
      assertConfigRefused(
          "v3-f16",
          config -> config.putObject("quantization_config").put("quant_method", method),
          "asks for '" + method + "' weights");
    }
    assertConfigRefused(
        "v3-fp8-blocks", config -> quantization(config).put("fmt", "e5m2"), "fmt is 'e5m2'");
    assertConfigRefused(
        "v3-int8-channel",
        config -> quantization(config).put("format", "nvfp4-pack-quantized"),
        "format is 'nvfp4-pack-quantized'");
    assertConfigRefused(
        "v3-int8-channel",
        config -> ((ObjectNode) group(config).get("weights")).put("symmetric", false),
        "weights.symmetric is false, but zero points are not supported");
    for (int bits : new int[] {2, 3, 5, 6, 7, 8}) {
      assertConfigRefused(
          "v3-int8-channel",
          config -> {
            quantization(config).put("format", "pack-quantized");
            ((ObjectNode) group(config).get("weights")).put("num_bits", bits);
          },
          "format is 'pack-quantized' with " + bits + " bits of type int");
    }
  }

  @Test
  void scalesThatAreMissingOrOfAnotherShapeAreNamed() {
    ModelFiles missing = files("v3-fp8-blocks");
    missing.header(
        MODEL, header -> header.set("model.layers.9.x", header.remove(Q_A + "weight_scale_inv")));
    assertRefused(missing, "'" + Q_A + "weight_scale_inv' is missing");
    ModelFiles other = files("v3-fp8-blocks");
    other.json(
        "config.json",
        config -> quantization(config).putArray("weight_block_size").add(64).add(128));
    assertRefused(other, "in blocks of 64 x 128 has [3, 2] scales");
    ModelFiles none = files("v3-fp8-blocks");
    none.json("config.json", config -> config.remove("quantization_config"));
    assertRefused(none, "does not say which elements");
  }

  /** DeepSeek's own conversion calls them .scale. */
  @Test
  void scalesMayHaveOtherNames() {
    for (String ending : List.of("scale", "qscale_weight", "weight_scale")) {
      ModelFiles files = files("v3-fp8-blocks");
      files.header(
          MODEL,
          header ->
              List.copyOf(header.properties())
                  .forEach(
                      entry ->
                          header.set(
                              entry.getKey().replace("weight_scale_inv", ending),
                              header.remove(entry.getKey()))));
      files.open();
    }
  }

  @Test
  void blocksAtTheEdgesAreShort() {
    Path directory = GoldenCheckpointsTest.GOLDEN.resolve("v3-fp8-blocks");
    ModelDescription model = ConfigReader.read(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      StoredTensor queryDown =
          WeightTable.resolve(model, checkpoint)
              .layers()
              .getFirst()
              .all(TensorRole.QUERY_DOWN)
              .getFirst();
      assertEquals(List.of(136L, 192L), queryDown.shape());
      StoredScales scales = queryDown.scales().orElseThrow();
      assertEquals(List.of(2L, 2L), scales.values().shape());
      assertEquals(128, scales.blockRows());
      assertEquals(128, scales.blockColumns());
    }
  }

  /** Gate and up of all experts are one tensor; so are their scales. */
  @Test
  void stackedExpertsHaveTheirOwnScales() {
    Path directory = GoldenCheckpointsTest.GOLDEN.resolve("mistral4-fp8");
    ModelDescription model = ConfigReader.read(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      List<WeightTable.Layer> layers = WeightTable.resolve(model, checkpoint).layers();
      StoredTensor all =
          checkpoint.get("language_model.model.layers.0.mlp.experts.gate_up_proj_scale_inv");
      assertEquals(List.of(8L, 6L, 2L), all.shape());
      StoredTensor up = layers.getFirst().all(TensorRole.EXPERT_UP).get(5);
      StoredScales blocks = up.scales().orElseThrow();
      assertEquals(List.of(3L, 2L), blocks.values().shape());
      assertEquals(8, blocks.blockRows());
      assertEquals(32, blocks.blockColumns());
      float[] expected = Arrays.copyOfRange(all.toFloats(), 5 * 12 + 6, 5 * 12 + 12);
      assertArrayEquals(expected, blocks.values().toFloats());
      StoredScales one = layers.getLast().all(TensorRole.EXPERT_GATE).get(5).scales().orElseThrow();
      assertEquals(List.of(1L, 1L), one.values().shape());
      assertEquals(24, one.blockRows());
      assertEquals(64, one.blockColumns());
    }
  }

  /** Twelve four-bit integers take two words. */
  @Test
  void aPartOfAPackedMatrixBeginsWithARow() {
    MemorySegment words = Arena.ofAuto().allocate(4 * 2 * 4, 4);
    StoredTensor stored =
        new StoredTensor("a", Path.of("f"), StoredType.I4, List.of(4L, 12L), words);
    StoredTensor part = new TensorPlace("a", false, false, 1, 2).in(stored, 0, 1, List.of(2L, 12L));
    assertEquals(words.address() + 16, part.segment().address());
    assertEquals(16, part.segment().byteSize());
    StoredTensor stack =
        new StoredTensor("a", Path.of("f"), StoredType.I4, List.of(2L, 2L, 12L), words);
    StoredTensor expert = new TensorPlace("a", true, false, 0, 1).in(stack, 1, 2, List.of(2L, 12L));
    assertEquals(words.address() + 16, expert.segment().address());
  }

  @Test
  void theShapeOfAPlaceIsTheConfigurations() {
    MemorySegment bytes = Arena.ofAuto().allocate(24, 4);
    StoredTensor stored =
        new StoredTensor("a", Path.of("f"), StoredType.U8, List.of(6L, 4L), bytes);
    TensorPlace place = new TensorPlace("a", false, false, 1, 2);
    assertEquals(bytes.address() + 12, place.in(stored, 0, 1, List.of(3L, 4L)).segment().address());
    StoredTensor folded =
        new StoredTensor("a", Path.of("f"), StoredType.U8, List.of(2L, 3L, 4L), bytes);
    assertEquals(
        List.of(6L, 4L),
        new TensorPlace("a", false, true, 0, 1).in(folded, 0, 1, List.of(6L, 4L)).shape());
    for (List<Long> shape : List.of(List.of(2L, 4L), List.of(4L, 3L), List.of(12L))) {
      String message =
          assertThrows(CheckpointException.class, () -> place.in(stored, 0, 1, shape)).getMessage();
      assertTrue(message.contains("has shape [6, 4], but the configuration asks for"), message);
    }
    assertThrows(
        CheckpointException.class,
        () -> new TensorPlace("a", false, false, 0, 1).in(folded, 0, 1, List.of(6L, 4L)));
  }

  @Test
  void scalesOfATypeThatIsNoneAreRefused() throws Exception {
    Path file = folder.resolve("scales.safetensors");
    new SafetensorsWriter()
        .add("a.weight", StoredType.I8, List.of(2L, 4L), c -> c.write(ByteBuffer.allocate(8)))
        .add(
            "a.weight_scale", StoredType.I32, List.of(2L, 1L), c -> c.write(ByteBuffer.allocate(8)))
        .write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      ScaledTensors tensors = new ScaledTensors(checkpoint, Quantization.NONE);
      String message =
          assertThrows(CheckpointException.class, () -> tensors.get("a.weight", List.of(2L, 4L)))
              .getMessage();
      assertTrue(message.contains("'a.weight_scale' has dtype I32, but scales must"), message);
    }
  }

  @Test
  void rowsThatEndWithinAByteAreRefused() throws Exception {
    Path file = folder.resolve("odd.safetensors");
    MemorySegment scale = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
    new SafetensorsWriter()
        .add("a.weight", StoredType.F4, List.of(2L, 4L), c -> c.write(ByteBuffer.allocate(4)))
        .add("b.weight", StoredType.F4, List.of(2L, 3L), c -> c.write(ByteBuffer.allocate(3)))
        .add("a.weight_scale", Tensor.of(scale, StorageFormat.F32, 1))
        .add("b.weight_scale", Tensor.of(scale, StorageFormat.F32, 1))
        .write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      ScaledTensors tensors = new ScaledTensors(checkpoint, Quantization.NONE);
      assertEquals(4, tensors.get("a.weight", List.of(2L, 4L)).weight().in());
      String message =
          assertThrows(CheckpointException.class, () -> tensors.get("b.weight", List.of(2L, 3L)))
              .getMessage();
      assertTrue(message.contains("'b.weight' has rows that do not end"), message);
    }
  }

  @Test
  void scalesOfStackedExpertsThatDoNotFitAreNamed() {
    ModelFiles other = files("mistral4-fp8");
    other.json(
        "config.json",
        config -> quantization(config).putArray("weight_block_size").add(16).add(32));
    assertRefused(other, "in blocks of 16 x 32 has [8, 3, 2] scales");
    String scales = "language_model.model.layers.0.mlp.experts.gate_up_proj_scale_inv";
    ModelFiles cut = files("mistral4-fp8");
    cut.json(
        "config.json",
        config -> quantization(config).putArray("weight_block_size").add(16).add(16));
    cut.header(
        MODEL, header -> ((ObjectNode) header.get(scales)).putArray("shape").add(8).add(3).add(4));
    assertRefused(cut, "a matrix begins at row 24, inside of one");
  }

  /** As Hugging Face's cache has it: links from a snapshot to blobs, and more files than needed. */
  @Test
  void aSnapshotOfLinksToBlobsIsRead() throws Exception {
    ModelFiles files = files("v3-f16");
    Path blobs = Files.createDirectories(folder.resolve("hub/blobs"));
    Path snapshot = Files.createDirectories(folder.resolve("hub/snapshots/0123abcd"));
    for (String name : List.of("config.json", MODEL)) {
      Path blob = blobs.resolve("sha256-" + name.length());
      Files.move(files.directory().resolve(name), blob);
      Files.createSymbolicLink(
          snapshot.resolve(name), Path.of("../../blobs", blob.getFileName().toString()));
    }
    Files.writeString(snapshot.resolve("README.md"), "# a card");
    Files.writeString(snapshot.resolve("modeling_deepseek.py"), "import torch");
    Files.writeString(snapshot.resolve("model.safetensors.index.json.bak"), "{");
    Files.writeString(snapshot.resolve("pytorch_model.bin"), "PK");
    Files.createDirectories(snapshot.resolve("figures"));
    new ModelFiles(snapshot).open();
  }
}
