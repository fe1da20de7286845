package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.checkpoint.WeightTable;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A family without arithmetic of its own is one file: {@code families/gigachat.json} among the
 * tests' resources, which no class knows of.
 */
class FamilyFileTest {
  private static final int[] IDS = {3, 1, 4, 1, 5, 9};

  @TempDir private Path folder;

  /** The golden model v3-f16 as the family would publish it. */
  private ModelFiles published() {
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder);
    files.json(
        "config.json",
        config -> {
          config.put("model_type", "gigachat").put("use_mla", true).put("linear_attention", false);
          config.set("n_layers", config.remove("num_hidden_layers"));
        });
    files.header(
        "model.safetensors",
        header -> {
          for (String name :
              new ArrayList<>(header.properties().stream().map(e -> e.getKey()).toList())) {
            String renamed =
                name.replace("model.embed_tokens", "transformer.wte")
                    .replace("model.layers.", "transformer.blocks.")
                    .replace("input_layernorm", "norm_1");
            header.set(renamed, header.remove(name));
          }
        });
    return files;
  }

  private static List<float[]> logits(Path directory) {
    ModelDescription model = ConfigReader.read(directory);
    List<float[]> rows = new ArrayList<>();
    try (Checkpoint checkpoint = Checkpoint.open(directory);
        Device device = Backends.open(new Backends.Choice("scalar", null, 1));
        Decoder decoder =
            new Decoder(
                model,
                WeightTable.resolve(model, checkpoint),
                device,
                DecoderOptions.of(ComputeType.F32));
        LatentCache cache = decoder.newCache(1, IDS.length);
        Sequence sequence = cache.newSequence()) {
      decoder.logits(
          decoder.forward(Batch.of(sequence), IDS),
          (_, row) -> rows.add(row.segment().toArray(ValueLayout.JAVA_FLOAT)));
    }
    return rows;
  }

  @Test
  void loadsAndComputesWhatItsTwinDoes() {
    List<float[]> expected = logits(Golden.directory("v3-f16"));
    List<float[]> actual = logits(published().directory());
    assertEquals(IDS.length, actual.size());
    for (int i = 0; i < IDS.length; i++) {
      assertArrayEquals(expected.get(i), actual.get(i));
    }
  }

  @Test
  void itsOwnDefaultsAndValuesHold() {
    ModelFiles files = published();
    files.json(
        "config.json", config -> config.remove(List.of("n_group", "topk_group", "n_layers")));
    ModelDescription model = ConfigReader.read(files.directory());
    assertEquals(61, model.layers().size());
    assertEquals("gigachat", model.family());
    assertRefused(files, config -> config.put("linear_attention", true), "linear_attention");
    assertRefused(files, config -> config.put("linear_attention", false).put("sinks", 1), "sinks");
  }

  @Test
  void twoNamesOfAKeyMustAgree() {
    assertRefused(published(), config -> config.put("num_hidden_layers", 9), "n_layers");
  }

  /** The names come from the folder itself, so the message needs no list. */
  @Test
  void anUnknownFamilyIsToldWhichThereAre() {
    ModelFiles files = published();
    for (String type : List.of("gemma", "../gigachat", "deepseek_v3.json", "")) {
      assertRefused(files, config -> config.put("model_type", type), "deepseek_v2, deepseek_v3, ");
    }
  }

  private static void assertRefused(ModelFiles files, Consumer<ObjectNode> change, String detail) {
    files.json("config.json", change);
    String message =
        assertThrows(CheckpointException.class, () -> ConfigReader.read(files.directory()))
            .getMessage();
    assertTrue(message.contains(detail), message);
  }
}
