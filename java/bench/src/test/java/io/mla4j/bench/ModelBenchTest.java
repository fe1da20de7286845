package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tiny models of random weights: they open, read prompts and generate. */
class ModelBenchTest {
  private static final Map<String, Object> SMALL =
      Map.of(
          "hidden_size", 64,
          "vocab_size", 320,
          "num_attention_heads", 4,
          "num_key_value_heads", 4,
          "kv_lora_rank", 32,
          "qk_rope_head_dim", 8,
          "qk_nope_head_dim", 16,
          "v_head_dim", 16,
          "intermediate_size", 96);

  /** DENSE_461M and V2_LITE_3L with small numbers. */
  private static final Map<String, Object> DENSE =
      with(
          with(Preset.DENSE_461M.config(), SMALL),
          Map.of("num_hidden_layers", 2, "first_k_dense_replace", 2, "q_lora_rank", 48));

  private static final Map<String, Object> MIXTURE =
      with(
          with(Preset.V2_LITE_3L.config(), SMALL),
          Map.of("n_routed_experts", 8, "num_experts_per_tok", 3, "moe_intermediate_size", 24));

  private static Map<String, Object> with(Map<String, Object> config, Map<String, Object> more) {
    Map<String, Object> all = new LinkedHashMap<>(config);
    all.putAll(more);
    return all;
  }

  @TempDir Path folder;

  private List<Row> run(Map<String, Object> shape) {
    Path model = folder.resolve("tiny");
    ModelMaker.make(shape, model);
    return run(model);
  }

  private static List<Row> run(Path model) {
    return run(model, false, new ArrayList<>());
  }

  private static List<Row> run(Path model, boolean verify, List<String> notes) {
    ModelGrid grid = new ModelGrid();
    grid.directory = model;
    grid.prompts = List.of(20);
    grid.generated = List.of(4);
    grid.contexts = List.of(0, 70);
    grid.backends = List.of("native", "vector");
    Settings settings = new Settings(2, 0, 0, verify, false, 4 << 20, 8 << 20);
    return new Benchmark(settings, Progress.NONE, () -> false, notes::add).model(grid).rows();
  }

  @Test
  void aDenseModelReadsAPromptAndGenerates() {
    List<Row> rows = run(DENSE);
    assertEquals(2 * 3, rows.size());
    Row prompt = rows.getFirst();
    assertEquals("model", prompt.text(Axis.BENCHMARK));
    assertEquals("prompt", prompt.text(Axis.KIND));
    assertEquals(20, prompt.count(Axis.TOKENS));
    assertEquals(20 / prompt.medianNs() * 1e9, prompt.tokensPerSecond(), 1e-6);
    Row generation = rows.get(2);
    assertEquals("generate", generation.text(Axis.KIND));
    assertEquals(70, generation.count(Axis.TOKENS));
    assertEquals(1e9 / generation.medianNs(), generation.tokensPerSecond(), 1e-6);
    // Weights of a layer: queries 48 x (64 + 96), latents 40 x 64, output 64 x 64, network
    // 3 x 64 x 96, W_UK and W_UV 4 x 32 x 32; and the output projection 64 x 320.
    long layer = 48 * (64 + 96) + 40 * 64 + 64 * 64 + 3 * 64 * 96 + 4 * 32 * 32;
    // 70 and half of 4 tokens, of (32 + 16) numbers in 128 bytes or, as float32, 192.
    long row = generation.text(Axis.CACHE_TYPE).equals("bf16") ? 128 : 192;
    assertEquals(2 * (2 * layer + 64 * 320) + 2 * 72 * row, generation.work().bytes());
    assertEquals(generation.work().bytes(), generation.bytesPerToken());
    assertEquals(prompt.work().bytes() / 20.0, prompt.bytesPerToken());
    assertEquals(generation.joules(), generation.joulesPerToken());
  }

  @Test
  void weightsCountAsTheyAreStored() throws Exception {
    Path model = folder.resolve("tiny");
    ModelMaker.make(MIXTURE, model);
    List<Row> narrow = run(model);
    SafetensorsWriter writer = new SafetensorsWriter();
    try (Arena arena = Arena.ofConfined();
        Checkpoint checkpoint = Checkpoint.open(model)) {
      for (StoredTensor tensor : checkpoint.tensors().values()) {
        MemorySegment wide = arena.allocateFrom(ValueLayout.JAVA_FLOAT, tensor.toFloats());
        long[] shape = tensor.shape().stream().mapToLong(n -> n).toArray();
        writer.add(tensor.name(), Tensor.of(wide, StorageFormat.F32, shape));
      }
      Path floats = Files.createDirectory(folder.resolve("floats"));
      writer.write(floats.resolve("model.safetensors"));
      Files.copy(model.resolve("config.json"), floats.resolve("config.json"));
    }
    List<Row> wide = run(folder.resolve("floats"));
    for (int i = 0; i < wide.size(); i++) {
      // Cached rows are as wide as before: those of a prompt do not count, of a token they do.
      Work before = narrow.get(i).work();
      Work after = wide.get(i).work();
      boolean generates = narrow.get(i).text(Axis.KIND).equals("generate");
      long cache = generates ? 3 * before.cacheBytes() : 0;
      assertEquals(before.cacheBytes(), after.cacheBytes());
      assertEquals(before.flop(), after.flop());
      assertEquals(2 * (before.bytes() - cache), after.bytes() - cache);
    }
  }

  @Test
  void thatModelsAreNotComparedIsSaid() {
    Path model = folder.resolve("tiny");
    ModelMaker.make(DENSE, model);
    List<String> notes = new ArrayList<>();
    List<Row> rows = run(model, true, notes);
    assertEquals(List.of("model rows are not compared with the oracle"), notes);
    assertTrue(rows.stream().noneMatch(Row::verified));
  }

  @Test
  void aMixtureModelGeneratesToo() {
    List<Row> rows = run(MIXTURE);
    assertEquals(2 * 3, rows.size());
    assertTrue(rows.stream().allMatch(row -> row.medianNs() > 0));
  }

  @Test
  void presetsHaveTheirShapes() throws Exception {
    for (Preset preset : Preset.values()) {
      Path model = Files.createDirectory(folder.resolve(preset.id()));
      new com.fasterxml.jackson.databind.ObjectMapper()
          .writeValue(model.resolve("config.json").toFile(), preset.config());
      ModelDescription description = ConfigReader.read(model);
      assertEquals(2048, description.hidden());
      assertEquals(32000, description.vocabulary());
      assertEquals(preset.config().get("num_hidden_layers"), description.layers().size());
      assertEquals(16, description.layers().getFirst().mla().shape().heads());
    }
    assertEquals(Preset.V2_LITE_3L, Preset.of("v2-lite-3l"));
    assertThrows(BenchException.class, () -> Preset.of("other"));
  }

  @Test
  void theSameNumbersEveryTimeAndNoModelIsOverwritten() throws Exception {
    Path a = folder.resolve("a");
    Path b = folder.resolve("b");
    ModelMaker.make(MIXTURE, a);
    ModelMaker.make(MIXTURE, b);
    assertEquals(
        -1, Files.mismatch(a.resolve("model.safetensors"), b.resolve("model.safetensors")));
    try (Checkpoint checkpoint = Checkpoint.open(a)) {
      WeightTable weights = WeightTable.resolve(ConfigReader.read(a), checkpoint);
      float[] embedding = weights.embedding().toFloats();
      double squares = 0;
      for (float value : embedding) {
        squares += value * value;
      }
      assertEquals(0.02, Math.sqrt(squares / embedding.length), 1e-3);
    }
    assertThrows(BenchException.class, () -> ModelMaker.make(MIXTURE, a));
  }
}
