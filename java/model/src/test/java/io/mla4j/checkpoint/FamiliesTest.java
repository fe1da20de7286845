package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the families beyond DeepSeek's own say that their configurations leave out. */
class FamiliesTest {
  @TempDir private Path directory;

  private ModelDescription read(String config) throws IOException {
    Files.writeString(directory.resolve("config.json"), config);
    return ConfigReader.read(directory);
  }

  private ModelDescription read(String config, Consumer<ObjectNode> change) throws IOException {
    ObjectNode object = (ObjectNode) ModelFiles.MAPPER.readTree(config);
    change.accept(object);
    return read(object.toString());
  }

  private void assertRefused(String config, Consumer<ObjectNode> change, String detail) {
    String message =
        assertThrows(CheckpointException.class, () -> read(config, change)).getMessage();
    assertTrue(message.contains(detail), message);
  }

  private static final String KIMI_K25 =
      """
      {"architectures": ["KimiK25ForConditionalGeneration"], "model_type": "kimi_k25",
       "media_placeholder_token_id": 163605, "bos_token_id": 163584, "eos_token_id": 163586,
       "text_config": {"model_type": "kimi_k2", "hidden_size": 7168, "num_attention_heads": 64,
         "bos_token_id": 163584, "eos_token_id": 163586, "vocab_size": 163840,
         "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "n_routed_experts": 384,
         "routed_scaling_factor": 2.827, "tie_word_embeddings": false},
       "use_unified_vision_chunk": true,
       "vision_config": {"patch_size": 14, "vt_hidden_size": 1152}}
      """;

  @Test
  void aWrappedModelIsThatOfItsOwnKeysUnderLongerNames() throws IOException {
    ModelDescription model = read(KIMI_K25);
    ObjectNode text = (ObjectNode) ModelFiles.MAPPER.readTree(KIMI_K25).get("text_config");
    ModelDescription plain = read(text.toString());
    assertEquals("kimi_k2", model.family());
    assertEquals(plain.layers(), model.layers());
    assertEquals(plain.eos(), model.eos());
    assertEquals(
        "language_model." + plain.names().name(TensorRole.EXPERT_UP, 7, 12),
        model.names().name(TensorRole.EXPERT_UP, 7, 12));
    assertEquals("language_model.lm_head.weight", model.names().name(TensorRole.OUTPUT, 0, 0));
    // The wrapper's class ties by default: whether there is an output projection decides.
    assertTrue(model.tied());
    assertFalse(plain.tied());
  }

  @Test
  void whatIsWrongInAWrappedModelIsToldWithItsPlace() {
    assertRefused(
        KIMI_K25, config -> config.remove("text_config"), "config.json: text_config is missing");
    assertRefused(
        KIMI_K25,
        config -> ((ObjectNode) config.get("text_config")).put("model_type", "llama"),
        "text_config.model_type is 'llama'");
    assertRefused(
        KIMI_K25,
        config -> ((ObjectNode) config.get("text_config")).put("swiglu_limit", 7),
        "text_config.swiglu_limit is 7");
    assertRefused(
        KIMI_K25,
        config -> ((ObjectNode) config.get("text_config")).put("model_type", "kimi_k25"),
        "text_config.model_type is a model around another one");
    assertRefused(
        KIMI_K25,
        config -> config.putObject("quantization_config").put("quant_method", "awq"),
        "quantization_config asks for 'awq' weights");
  }
}
