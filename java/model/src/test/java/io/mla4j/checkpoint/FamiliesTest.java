package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.MlaShape;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
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

  /** In transformers it overwrites the rotated width of this class, and no other's. */
  @Test
  void headDimIsNotTheRotatedWidth() throws IOException {
    String config = "{\"model_type\": \"glm4_moe_lite\"}";
    assertEquals(read(config), read(config, object -> object.put("head_dim", 100)));
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

  @Test
  void plmHasNetworksWithoutGates() throws IOException {
    String plm = "{\"model_type\": \"plm\", \"hidden_act\": \"relu2\"}";
    ModelDescription model = read(plm);
    assertEquals(
        new FfnDescription.Dense(8192, FfnDescription.Activation.SQUARED_RELU),
        model.layers().getFirst().ffn());
    assertEquals(OptionalInt.empty(), attention(model).queryLatent());
    assertTrue(model.tied());
    assertRefused(plm, config -> config.put("hidden_act", "silu"), "hidden_act is 'silu'");
  }

  private static AttentionDescription.Grouped grouped(ModelDescription model) {
    return model.grouped().orElseThrow();
  }

  /** Mistral-7B-Instruct-v0.3 and what may be said of it. */
  @Test
  void mistralIsRefusedWithAWindowShorterThanItsContext() throws IOException {
    String mistral = "{\"model_type\": \"mistral\", \"max_position_embeddings\": 32768}";
    ModelDescription model = read(mistral, config -> config.putNull("sliding_window"));
    assertEquals(8, grouped(model).groups());
    assertEquals(model, read(mistral, config -> config.put("sliding_window", 32768)));
    assertRefused(
        mistral,
        config -> config.put("sliding_window", 32767),
        "sliding_window is 32767, but sliding windows are not supported");
    assertRefused(mistral, _ -> {}, "sliding_window is 4096");
    assertEquals(32768, model.context());
    assertEquals(32, grouped(read("{\"model_type\": \"llama\"}")).groups());
  }

  @Test
  void headsOfKeysAndValuesScaleByTheirWidthAndRotateInHalvesUnlessToldOtherwise()
      throws IOException {
    String llama = "{\"model_type\": \"llama\"}";
    assertEquals((float) (1 / Math.sqrt(128)), grouped(read(llama)).scoreScale());
    assertEquals(RopeLayout.HALVES, grouped(read(llama)).rope().layout());
    assertEquals(
        RopeLayout.PAIRS,
        grouped(read(llama, config -> config.put("rope_interleave", true))).rope().layout());
  }

  @Test
  void headsOfKeysAndValuesHaveAtMostAMillionElements() throws IOException {
    String llama = "{\"model_type\": \"llama\", \"head_dim\": 1024}";
    assertEquals(
        1024, grouped(read(llama, config -> config.put("num_attention_heads", 1024))).heads());
    assertRefused(
        llama,
        config -> config.put("num_attention_heads", 1025),
        "num_attention_heads is 1025, but heads of 1024 elements must have at most 1048576");
    assertRefused(
        llama, config -> config.put("head_dim", 127), "head_dim is 127, but must be even");
    assertRefused(
        llama,
        config -> config.put("num_key_value_heads", 5),
        "num_key_value_heads is 5, but must divide the 32 heads");
    assertRefused(llama, config -> config.put("v_head_dim", 512), "v_head_dim is 512");
    assertRefused(llama, config -> config.put("rotary_dim", 512), "rotary_dim is 512");
  }

  private static final String MISTRAL4 =
      """
      {"model_type": "mistral3", "image_token_index": 10, "spatial_merge_size": 2,
       "text_config": {"model_type": "mistral4"}, "vision_config": {"model_type": "pixtral"}}
      """;

  @Test
  void mistral4ScalesQueriesByTheirPosition() throws IOException {
    ModelDescription model = read(MISTRAL4);
    AttentionDescription.QueryScale scale = attention(model).queryScale().orElseThrow();
    assertEquals(1, scale.at(0));
    assertEquals(1, scale.at(8191));
    assertEquals(1.0693147f, scale.at(8192));
    assertEquals(1.2833213f, scale.at(131072), 1e-6f);
    assertEquals(0.1949695, attention(model).scoreScale(), 1e-7);
    assertEquals(64, attention(model).rope().width());
    Routing routing = mixture(model).routing();
    assertEquals(Routing.Score.SOFTMAX, routing.score());
    assertEquals(Routing.GroupMask.ZERO, routing.groupMask());
    assertEquals(FfnDescription.ChoiceBias.NONE, mixture(model).choiceBias());
    assertEquals(
        "language_model.model.layers.2.mlp.experts.gate_up_proj",
        model.names().name(TensorRole.EXPERT_UP, 2, 5));
    String rope = "{\"rope_type\": \"linear\", \"factor\": 2, \"partial_rotary_factor\": ";
    assertEquals(Optional.empty(), attention(read(mistral4(rope + "0.5}"))).queryScale());
    assertRefused(mistral4(rope + "0.25}"), _ -> {}, "partial_rotary_factor is 0.25");
    assertRefused(
        mistral4("{\"rope_type\": \"default\", \"llama_4_scaling_beta\": -1}"),
        _ -> {},
        "llama_4_scaling_beta is -1");
  }

  private static String mistral4(String rope) {
    return MISTRAL4.replace("\"mistral4\"", "\"mistral4\", \"rope_parameters\": " + rope);
  }

  private static final String LONGCAT =
      """
      {"model_type": "longcat_flash", "attention_method": "MLA", "router_bias": false,
       "ffn_hidden_size": 12288, "expert_ffn_hidden_size": 2048, "moe_topk": 12,
       "num_layers": 28, "zero_expert_num": 256, "zero_expert_type": "identity",
       "mla_scale_q_lora": true, "mla_scale_kv_lora": true, "head_dim": 64}
      """;

  @Test
  void longCatHasTwoBlocksInALayer() throws IOException {
    ModelDescription model = read(LONGCAT);
    assertEquals(56, model.layers().size());
    assertEquals(56, model.cacheLayers());
    FfnDescription.Mixture mixture = model.layers().get(54).shortcut().orElseThrow();
    assertEquals(Optional.empty(), model.layers().get(55).shortcut());
    assertEquals(new FfnDescription.Dense(12288), model.layers().get(54).ffn());
    assertEquals(new FfnDescription.Dense(12288), model.layers().get(55).ffn());
    assertEquals(768, mixture.routing().experts());
    assertEquals(512, mixture.networks());
    assertEquals(12, mixture.routing().topK());
    assertFalse(mixture.routing().renormalize());
    assertEquals(6, mixture.routing().scale());
    assertEquals((float) Math.sqrt(12), attention(model).latentScale());
    assertEquals(Math.sqrt(4) / Math.sqrt(192), attention(model).scoreScale(), 1e-8);
    assertEquals(
        "model.layers.27.self_attn.1.kv_b_proj.weight",
        model.names().name(TensorRole.LATENT_UP, 55, 0));
    assertEquals(
        "model.layers.27.mlp.experts.3.up_proj.weight",
        model.names().name(TensorRole.EXPERT_UP, 54, 3));
    assertEquals(1, attention(read(LONGCAT, c -> c.put("mla_scale_kv_lora", false))).latentScale());
    assertRefused(LONGCAT, c -> c.put("zero_expert_type", "copy"), "zero_expert_type is 'copy'");
    assertRefused(LONGCAT, c -> c.put("num_hidden_layers", 56), "num_layers is 28");
    assertRefused(LONGCAT, c -> c.put("zero_expert_num", -1), "zero_expert_num is -1");
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
    assertFalse(read(KIMI_K25, config -> config.put("tie_word_embeddings", false)).tied());
    assertFalse(plain.tied());
  }

  @Test
  void idsOfTheModelsOwnPartCountBeforeThoseOfItsWrapper() throws IOException {
    ModelDescription model =
        read(KIMI_K25, config -> config.put("bos_token_id", 7).put("eos_token_id", 8));
    assertEquals(OptionalInt.of(163584), model.bos());
    assertEquals(List.of(163586), model.eos());
  }

  @Test
  void idsThatOnlyTheWrapperNamesCount() throws IOException {
    ModelDescription model =
        read(
            KIMI_K25,
            config ->
                ((ObjectNode) config.get("text_config"))
                    .remove(List.of("bos_token_id", "eos_token_id")));
    assertEquals(OptionalInt.of(163584), model.bos());
    assertEquals(List.of(163586), model.eos());
  }

  /** Files of a wrapper repeat what every configuration of transformers 4 has. */
  @Test
  void keysThatEveryConfigurationHasPass() throws IOException {
    String every =
        """
        {"_name_or_path": "", "add_cross_attention": false, "bad_words_ids": null,
         "begin_suppress_tokens": null, "chunk_size_feed_forward": 0,
         "cross_attention_hidden_size": null, "decoder_start_token_id": null,
         "diversity_penalty": 0.0, "do_sample": false, "early_stopping": false,
         "encoder_no_repeat_ngram_size": 0, "exponential_decay_length_penalty": null,
         "finetuning_task": null, "forced_bos_token_id": null, "forced_eos_token_id": null,
         "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "is_decoder": false,
         "is_encoder_decoder": false, "label2id": {"LABEL_0": 0, "LABEL_1": 1},
         "length_penalty": 1.0, "max_length": 20, "min_length": 0, "no_repeat_ngram_size": 0,
         "num_beam_groups": 1, "num_beams": 1, "num_return_sequences": 1,
         "output_attentions": false, "output_hidden_states": false, "output_scores": false,
         "prefix": null, "problem_type": null, "pruned_heads": {}, "remove_invalid_values": false,
         "repetition_penalty": 1.0, "return_dict": true, "return_dict_in_generate": false,
         "sep_token_id": null, "suppress_tokens": null, "task_specific_params": null,
         "temperature": 1.0, "tf_legacy_loss": false, "tie_encoder_decoder": false,
         "tokenizer_class": null, "top_k": 50, "top_p": 1.0, "torch_dtype": "bfloat16",
         "torchscript": false, "typical_p": 1.0, "use_bfloat16": false}
        """;
    ObjectNode keys = (ObjectNode) ModelFiles.MAPPER.readTree(every);
    ModelDescription model =
        read(KIMI_K25, config -> ((ObjectNode) config.get("text_config")).setAll(keys));
    assertEquals(read(KIMI_K25), model);
  }

  @Test
  void whatIsWrongInAWrappedModelIsToldWithItsPlace() {
    assertRefused(
        KIMI_K25, config -> config.remove("text_config"), "config.json: text_config is missing");
    assertRefused(
        KIMI_K25,
        config -> ((ObjectNode) config.get("text_config")).put("model_type", "gemma"),
        "text_config.model_type is 'gemma'");
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

  /** Files of families among the tests' resources, as somebody might write them. */
  @Test
  void whatIsWrongInTheFileOfAFamilyIsNamed() {
    assertRefused(
        "{\"model_type\": \"broken_key\"}",
        _ -> {},
        "family broken_key: has 'rotations', which is not known");
    assertRefused(
        "{\"model_type\": \"broken_layer\"}", _ -> {}, "family broken_layer: has no tensors.layer");
  }
}
