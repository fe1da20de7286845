package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.position.RopeScaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given a configuration in mla4j's own words, when it is read, then each layer has its positions.
 */
class PositionsReaderTest {
  private static final Path MODEL =
      Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla-alibi", "config.json");

  @TempDir Path folder;

  /** Two layers of two heads, with four rotated elements or none. */
  private List<Mla> layers(int rotated, Consumer<ObjectNode> change) throws IOException {
    ObjectNode config = (ObjectNode) ModelFiles.MAPPER.readTree(MODEL.toFile());
    config.put("num_hidden_layers", 2).put("num_attention_heads", 2);
    config.put("qk_rope_head_dim", rotated);
    config.put("position_embedding", rotated == 0 ? "alibi" : "rope");
    change.accept(config);
    Files.write(folder.resolve("config.json"), ModelFiles.MAPPER.writeValueAsBytes(config));
    return ConfigReader.read(folder).layers().stream().map(LayerDescription::mla).toList();
  }

  private static Consumer<ObjectNode> with(String key, String json) {
    return config -> {
      try {
        config.set(key, ModelFiles.MAPPER.readTree(json));
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    };
  }

  private void refused(String part, int rotated, Consumer<ObjectNode> change) {
    String message =
        assertThrows(CheckpointException.class, () -> layers(rotated, change)).getMessage();
    assertTrue(message.contains(part), message);
    assertEquals(1, message.lines().count(), message);
  }

  @Test
  void biasesAreThePapersOrThoseOfAllLayersOrOfEach() throws IOException {
    String key = "alibi_slopes";
    for (Mla mla : layers(0, config -> {})) {
      assertEquals(List.of(1f / 16, 1f / 256), mla.slopes());
    }
    for (Mla mla : layers(0, with(key, "[0.5, 0]"))) {
      assertEquals(List.of(0.5f, 0f), mla.slopes());
    }
    List<Mla> own = layers(0, with(key, "[[0, 2], [3, 4]]"));
    assertEquals(List.of(0f, 2f), own.get(0).slopes());
    assertEquals(List.of(3f, 4f), own.get(1).slopes());
    assertEquals(List.of(0.5f, 2f), layers(4, with(key, "[0.5, 2]")).getLast().slopes());
    assertEquals(List.of(), layers(4, config -> {}).getLast().slopes());
    refused(key + " must be a list of 2 numbers", 0, with(key, "[1]"));
    refused(key + " must be a list of 2 numbers", 0, with(key, "7"));
    refused(key + " must be 2 lists of 2 numbers each", 0, with(key, "[[1, 2]]"));
    refused(key + " must be 2 lists of 2 numbers each", 0, with(key, "[[1, 2], [3]]"));
    refused(key + " must be 2 lists of 2 numbers each", 0, with(key, "[[1, 2], 3]"));
    refused("must be a number, 0 or more", 0, with(key, "[1, -1]"));
    refused("must be a number, 0 or more", 0, with(key, "[[1, 2], [3, -1]]"));
  }

  @Test
  void frequenciesAreThoseOfEachLayer() throws IOException {
    String key = "rope_frequencies";
    List<Mla> layers = layers(4, with(key, "[[0.5, 0], [1, 0.25]]"));
    assertEquals(new RopeScaling.Table(List.of(0.5f, 0f)), layers.get(0).rope().scaling());
    assertEquals(new RopeScaling.Table(List.of(1f, 0.25f)), layers.get(1).rope().scaling());
    assertEquals(4, layers.get(1).rope().width());
    refused(key + " must be 2 lists of 2 numbers each", 4, with(key, "[[1, 2]]"));
    refused(key + " must be 2 lists of 2 numbers each", 4, with(key, "[[1, 2], [1, 2, 3]]"));
    refused(key + " must be 2 lists of 2 numbers each", 4, with(key, "{}"));
    refused("radians a position", 4, with(key, "[[1, 2], [1, -2]]"));
  }

  @Test
  void ranksAreAtMostTheWidthOfTheLatent() throws IOException {
    String key = "kv_lora_ranks";
    List<Mla> layers = layers(0, with(key, "[64, 1]"));
    assertEquals(64, layers.get(0).shape().latent());
    assertEquals(1, layers.get(1).shape().latent());
    refused(key + " is 65", 0, with(key, "[64, 65]"));
    refused(key + " is 0", 0, with(key, "[64, 0]"));
    refused(key + " is 1.5", 0, with(key, "[64, 1.5]"));
    refused(key + " must be a list of 2 numbers", 0, with(key, "[64]"));
    refused(key + " must be a list of whole numbers", 0, with(key, "64"));
  }

  @Test
  void onlyARotationHasRotatedElements() throws IOException {
    String key = "position_embedding";
    Mla none = layers(0, config -> config.put(key, "none")).getFirst();
    assertEquals(List.of(), none.slopes());
    assertEquals(0, none.shape().rope());
    refused(key + " is alibi, but qk_rope_head_dim is 4", 4, config -> config.put(key, "alibi"));
    refused(key + " is none, but qk_rope_head_dim is 4", 4, config -> config.put(key, "none"));
    refused("must be one of rope, alibi, none", 0, config -> config.put(key, "learned"));
  }
}
