package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.model.Checkpoint;
import io.mla4j.model.ConfigReader;
import io.mla4j.model.ModelDescription;
import io.mla4j.model.WeightTable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tiny models of random weights: they open, read prompts and generate. */
class ModelBenchTest {
  /** DENSE_461M and V2_LITE_3L with small numbers. */
  private static final ModelShape DENSE =
      new ModelShape(2, 2, 64, 320, 4, 48, 32, 8, 16, 16, 96, 8, 2, 3, 24);

  private static final ModelShape MIXTURE =
      new ModelShape(3, 1, 64, 320, 4, 0, 32, 8, 16, 16, 96, 8, 2, 3, 24);

  @TempDir Path folder;

  private List<Row> run(ModelShape shape) {
    Path model = folder.resolve("tiny");
    ModelMaker.make(shape, model);
    ModelGrid grid =
        new ModelGrid(
            null,
            model,
            List.of(20),
            List.of(4),
            List.of(0, 70),
            List.of("native", "vector"),
            List.of(),
            List.of(1),
            List.of(),
            List.of(),
            List.of(AttentionForm.AUTO),
            List.of(64));
    Settings settings = new Settings(2, 0, 0, false, false, 4 << 20, 8 << 20);
    return new Benchmark(settings, Progress.NONE, () -> false, _ -> {}).model(grid).rows();
  }

  @Test
  void aDenseModelReadsAPromptAndGenerates() {
    List<Row> rows = run(DENSE);
    assertEquals(2 * 3, rows.size());
    Row prompt = rows.getFirst();
    assertEquals("model", prompt.axes().benchmark());
    assertEquals("prompt", prompt.axes().kind());
    assertEquals(20, prompt.axes().tokens());
    assertEquals(20 / prompt.medianNs() * 1e9, prompt.tokensPerSecond(), 1e-6);
    Row generation = rows.get(2);
    assertEquals("generate", generation.axes().kind());
    assertEquals(70, generation.axes().tokens());
    assertEquals(1e9 / generation.medianNs(), generation.tokensPerSecond(), 1e-6);
    // Weights of a layer: queries 48 x (64 + 96), latents 40 x 64, output 64 x 64, network
    // 3 x 64 x 96, W_UK and W_UV 4 x 32 x 32; and the output projection 64 x 320.
    long layer = 48 * (64 + 96) + 40 * 64 + 64 * 64 + 3 * 64 * 96 + 4 * 32 * 32;
    // 70 and half of 4 tokens, of (32 + 16) numbers in 128 bytes or, as float32, 192.
    long row = generation.axes().cacheType().equals("bf16") ? 128 : 192;
    assertEquals(2 * (2 * layer + 64 * 320) + 2 * 72 * row, generation.work().bytes());
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
          .writeValue(model.resolve("config.json").toFile(), preset.shape().config());
      ModelDescription description = ConfigReader.read(model);
      assertEquals(2048, description.hidden());
      assertEquals(32000, description.vocabulary());
      assertEquals(preset.shape().layers(), description.layers().size());
      assertEquals(16, description.layers().getFirst().attention().shape().heads());
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
