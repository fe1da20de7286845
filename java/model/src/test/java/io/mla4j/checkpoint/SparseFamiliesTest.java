package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription.Indexer;
import io.mla4j.ops.RopeLayout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What configurations of models with an indexer say, and what they leave out. */
class SparseFamiliesTest {
  private static final String GLM_5 =
      """
      {"model_type": "glm_moe_dsa", "num_hidden_layers": 6,
       "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}%s}
      """;

  @TempDir private Path directory;

  private ModelDescription read(String config) throws IOException {
    Files.writeString(directory.resolve("config.json"), config);
    return ConfigReader.read(directory);
  }

  private void assertRefused(String more, String detail) {
    String message =
        assertThrows(CheckpointException.class, () -> read(GLM_5.formatted(more))).getMessage();
    assertTrue(message.contains("config.json") && message.contains(detail), message);
  }

  private static Indexer indexer(ModelDescription model, int layer) {
    return model.layers().get(layer).mla().indexer().orElseThrow();
  }

  /** A letter for each layer: F where it has an indexer. */
  private static String kinds(ModelDescription model) {
    return model.layers().stream()
        .map(layer -> layer.mla().indexer().orElseThrow().shared() ? "S" : "F")
        .collect(Collectors.joining());
  }

  @Test
  void deepSeekV32HasAnIndexerInEveryLayer() throws IOException {
    ModelDescription model = read("{\"model_type\": \"deepseek_v32\"}");
    Indexer indexer = indexer(model, 60);
    assertEquals(List.of(64, 128, 2048), List.of(indexer.heads(), indexer.width(), indexer.topK()));
    assertEquals(RopeLayout.HALVES, indexer.rope().layout());
    assertEquals(64, indexer.rope().width());
    assertEquals(RopeLayout.PAIRS, model.layers().getFirst().mla().rope().layout());
    assertEquals(1e-6f, indexer.normEps());
    assertEquals(61, model.indexLayers());
  }

  @Test
  void glm5RotatesInPairsAndReusesChoices() throws IOException {
    ModelDescription model = read(GLM_5.formatted(""));
    assertEquals(new MlaShape(64, 512, 64, 192, 256), model.shape());
    assertEquals(32, indexer(model, 0).heads());
    assertEquals(RopeLayout.PAIRS, indexer(model, 0).rope().layout());
    assertEquals("FFFFFF", kinds(model));
    assertEquals("FFSSSF", kinds(read(GLM_5.formatted(", \"index_topk_freq\": 4"))));
    String offset = ", \"index_topk_freq\": 2, \"index_skip_topk_offset\": 4";
    assertEquals("FFFFSF", kinds(read(GLM_5.formatted(offset))));
    String text = ", \"index_topk_pattern\": \"FSSFSS\"";
    assertEquals("FSSFSS", kinds(read(GLM_5.formatted(text))));
    String list = ", \"index_topk_pattern\": [\"F\", \"S\", \"F\", \"S\", \"F\", \"S\"]";
    assertEquals("FSFSFS", kinds(read(GLM_5.formatted(list))));
    String types =
        ", \"indexer_types\": [\"full\", \"full\", \"shared\", \"shared\", \"full\", \"shared\"]";
    ModelDescription explicit = read(GLM_5.formatted(types + text));
    assertEquals("FFSSFS", kinds(explicit));
    assertEquals(3, explicit.indexLayers());
    assertEquals(2, explicit.indexLayer(4));
  }

  @Test
  void anIndexerMayRotateAllThatItHas() throws IOException {
    assertEquals(64, indexer(read(GLM_5.formatted(", \"index_head_dim\": 64")), 0).width());
  }

  @Test
  void whatCannotBeIsRefused() {
    assertRefused(", \"index_topk_pattern\": \"SFFFFF\"", "index_topk_pattern begins with");
    assertRefused(", \"index_topk_pattern\": \"FXFFFF\"", "index_topk_pattern has 'X'");
    assertRefused(", \"index_topk_pattern\": \"FFF\"", "names 3 layers");
    assertRefused(", \"indexer_types\": [\"full\"]", "indexer_types names 1 layers");
    String freq = ", \"index_topk_freq\": 2, \"index_skip_topk_offset\": 0";
    assertRefused(freq, "index_skip_topk_offset is 0, so that the first layer has no choice");
    assertRefused(", \"index_topk\": 0", "index_topk is 0");
    assertRefused(", \"index_head_dim\": 32", "index_head_dim is 32, less than the 64");
    assertRefused(", \"q_lora_rank\": null", "q_lora_rank");
    assertRefused(", \"indexer_rope_interleave\": false", "indexer_rope_interleave is false");
    assertRefused(", \"index_kpool\": 4", "index_kpool is 4");
  }
}
