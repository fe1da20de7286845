package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.MlaShape;
import io.mla4j.ops.RopeLayout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
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

  private static AttentionDescription.Mla attention(ModelDescription model) {
    return model.layers().getLast().mla();
  }

  private static FfnDescription.Mixture mixture(ModelDescription model) {
    return (FfnDescription.Mixture) model.layers().getLast().ffn();
  }

  @Test
  void glm47Flash() throws IOException {
    ModelDescription model =
        read("{\"model_type\": \"glm4_moe_lite\", \"rope_parameters\": {\"rope_theta\": 1e6}}");
    assertEquals(new MlaShape(20, 512, 64, 192, 256), attention(model).shape());
    assertEquals(1e6, attention(model).rope().theta());
    assertEquals(1e-6f, attention(model).latentNormEps());
    assertEquals(1e-5f, model.normEps());
    assertInstanceOf(FfnDescription.Dense.class, model.layers().getFirst().ffn());
    assertEquals(1.8f, mixture(model).routing().scale());
    assertEquals(1, mixture(model).routing().groups());
    // Its class has no other default, whatever the published files say.
    assertEquals(10000, attention(read("{\"model_type\": \"glm4_moe_lite\"}")).rope().theta());
  }

  private static final String MINICPM3 =
      """
      {"model_type": "minicpm3", "head_dim": 7, "rope_scaling": {"type": "longrope",
         "short_factor": [1.0591234137867171, 1.1241891283591912, 1.2596935748670968,
           1.5380380402321725, 2.093982484148734, 3.1446935121267696, 4.937952647693647,
           7.524541999994549, 10.475458000005451, 13.062047352306353, 14.85530648787323,
           15.906017515851266, 16.461961959767827, 16.740306425132907, 16.87581087164081,
           16.940876586213285],
         "long_factor": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
         "original_max_position_embeddings": 32768}}
      """;

  @Test
  void miniCpm3ScalesEmbeddingsBranchesAndHiddenStates() throws IOException {
    ModelDescription model = read(MINICPM3);
    assertEquals(new MlaShape(40, 256, 32, 64, 64), attention(model).shape());
    assertEquals(RopeLayout.HALVES, attention(model).rope().layout());
    assertEquals(1 / Math.sqrt(96), attention(model).scoreScale(), 1e-8);
    assertEquals(1, attention(model).rope().scaling().attentionFactor());
    assertEquals(12, model.embedScale());
    assertEquals(0.1778001778f, model.residualScale());
    assertEquals(0.1f, model.outputScale());
    assertTrue(model.tied());
    assertTrue(model.dependsOnLength());
    ModelDescription plain =
        read(MINICPM3, config -> config.putNull("scale_depth").putNull("dim_model_base"));
    assertEquals(1, plain.residualScale());
    assertEquals(1, plain.outputScale());
    assertRefused(MINICPM3, config -> config.put("rope_interleave", true), "rope_interleave");
    assertRefused(MINICPM3, config -> config.put("scale_emb", 0), "scale_emb is 0");
    assertRefused(MINICPM3, config -> config.put("n_routed_experts", 8), "has no experts");
  }

  @Test
  void axK1NormsTheSumOfItsExperts() throws IOException {
    ModelDescription model = read("{\"model_type\": \"axk1\"}");
    assertTrue(mixture(model).postNorm());
    assertEquals(FfnDescription.ChoiceBias.OPTIONAL, mixture(model).choiceBias());
    assertEquals(8, mixture(model).routing().groups());
    assertInstanceOf(FfnDescription.Dense.class, model.layers().getFirst().ffn());
    assertInstanceOf(FfnDescription.Mixture.class, model.layers().get(1).ffn());
  }

  @Test
  void sarvamHasDeepSeekV3sLayersUnderOtherKeys() throws IOException {
    ModelDescription model =
        read(
            """
            {"model_type": "sarvam_mla", "num_experts": 64, "num_shared_experts": 2,
             "head_dim": 576, "q_head_dim": 192, "rope_scaling": {"type": "deepseek_yarn",
               "factor": 40, "original_max_position_embeddings": 4096, "mscale_all_dim": 1,
               "mscale": 1}}
            """);
    assertEquals(64, mixture(model).routing().experts());
    assertEquals(4096, mixture(model).sharedWidth());
    assertEquals(OptionalInt.empty(), attention(model).queryLatent());
    assertEquals(0.1352337789, attention(model).scoreScale(), 1e-8);
    assertEquals(64, attention(model).rope().width());
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
