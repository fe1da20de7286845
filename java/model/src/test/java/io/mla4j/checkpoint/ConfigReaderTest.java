package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.MlaShape;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import io.mla4j.position.RopeScaling;
import io.mla4j.text.vocabulary.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Configurations as they are published, absent keys, and keys without effect. */
class ConfigReaderTest {
  private static final String DEEPSEEK_V3 =
      """
      {"architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"}, "bos_token_id": 0,
       "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 3, "hidden_act": "silu",
       "hidden_size": 7168, "initializer_range": 0.02, "intermediate_size": 18432, "kv_lora_rank": 512,
       "max_position_embeddings": 163840, "model_type": "deepseek_v3", "moe_intermediate_size": 2048,
       "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1,
       "norm_topk_prob": true, "num_attention_heads": 128, "num_experts_per_tok": 8,
       "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
       "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
       "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0,
         "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "type": "yarn"},
       "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
       "tie_word_embeddings": false, "topk_group": 4, "topk_method": "noaux_tc",
       "torch_dtype": "bfloat16", "transformers_version": "4.33.1", "use_cache": true,
       "v_head_dim": 128, "vocab_size": 129280}
      """;

  private static final String DEEPSEEK_V2_LITE =
      """
      {"architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001,
       "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048,
       "initializer_range": 0.02, "intermediate_size": 10944, "kv_lora_rank": 512,
       "max_position_embeddings": 163840, "model_type": "deepseek_v2", "moe_intermediate_size": 1408,
       "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64, "n_shared_experts": 2,
       "norm_topk_prob": false, "num_attention_heads": 16, "num_experts_per_tok": 6,
       "num_hidden_layers": 27, "num_key_value_heads": 16, "pretraining_tp": 1, "q_lora_rank": null,
       "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
       "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
         "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "type": "yarn"},
       "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": true,
       "tie_word_embeddings": false, "topk_group": 1, "topk_method": "greedy",
       "torch_dtype": "bfloat16", "transformers_version": "4.33.1", "use_cache": true,
       "v_head_dim": 128, "vocab_size": 102400}
      """;

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

  private static Routing routing(ModelDescription model) {
    return ((FfnDescription.Mixture) model.layers().getLast().ffn()).routing();
  }

  @Test
  void deepSeekV3() throws IOException {
    ModelDescription model = read(DEEPSEEK_V3);
    assertEquals(61, model.layers().size());
    assertInstanceOf(FfnDescription.Dense.class, model.layers().get(2).ffn());
    assertInstanceOf(FfnDescription.Mixture.class, model.layers().get(3).ffn());
    AttentionDescription.Mla attention = model.layers().get(0).mla();
    assertEquals(new MlaShape(128, 512, 64, 128, 128), attention.shape());
    assertEquals(0.1352337789, attention.scoreScale(), 1e-8);
    assertEquals(new RopeScaling.Yarn(40, 4096, 32, 1, true, 1), attention.rope().scaling());
    assertEquals(RopeLayout.PAIRS, attention.rope().layout());
    assertEquals(
        new Routing(
            256,
            8,
            Routing.Score.SIGMOID,
            8,
            4,
            Routing.GroupScore.TOP2_SUM,
            Routing.GroupMask.NEGATIVE_INFINITY,
            true,
            2.5f),
        routing(model));
  }

  @Test
  void deepSeekV2Lite() throws IOException {
    ModelDescription model = read(DEEPSEEK_V2_LITE);
    assertEquals(OptionalInt.empty(), model.layers().get(0).mla().queryLatent());
    assertEquals(0.1147213868, model.layers().get(0).mla().scoreScale(), 1e-8);
    assertEquals(OptionalInt.of(100000), model.bos());
    assertEquals(List.of(100001), model.eos());
    assertEquals(1, routing(model).groups());
    assertEquals(2816, ((FfnDescription.Mixture) model.layers().get(1).ffn()).sharedWidth());
  }

  @Test
  void kimiAndMoonlightScales() throws IOException {
    Consumer<ObjectNode> kimi =
        config -> {
          config.put("model_type", "kimi_k2").put("rope_theta", 50000.0);
          ((ObjectNode) config.get("rope_scaling")).put("factor", 32).put("beta_fast", 1.0);
        };
    assertEquals(0.1308608, read(DEEPSEEK_V3, kimi).layers().get(0).mla().scoreScale(), 1e-8);
    ModelDescription moonlight =
        read(
            DEEPSEEK_V3,
            config -> config.putNull("rope_scaling").put("n_group", 1).put("topk_group", 1));
    assertEquals(1 / Math.sqrt(192), moonlight.layers().get(0).mla().scoreScale(), 1e-8);
    assertEquals(new RopeScaling.Unscaled(), moonlight.layers().get(0).mla().rope().scaling());
  }

  @Test
  void absentKeysMeanWhatTheFamilySays() throws IOException {
    ModelDescription v3 = read("{\"model_type\": \"deepseek_v3\"}");
    assertEquals(129280, v3.vocabulary());
    assertEquals(61, v3.layers().size());
    assertEquals(4096, v3.context());
    assertEquals(OptionalInt.of(1536), v3.layers().get(0).mla().queryLatent());
    assertEquals(routing(read(DEEPSEEK_V3)), routing(v3));
    assertFalse(v3.tied());
    ModelDescription v2 = read("{\"model_type\": \"deepseek_v2\", \"num_experts_per_tok\": 6}");
    assertEquals(32, v2.layers().size());
    assertEquals(
        new Routing(
            64,
            6,
            Routing.Score.SOFTMAX,
            1,
            1,
            Routing.GroupScore.MAX,
            Routing.GroupMask.ZERO,
            false,
            1),
        routing(v2));
    ModelDescription youtu = read("{\"model_type\": \"youtu\"}");
    assertTrue(youtu.tied());
    assertEquals(131072, youtu.context());
    assertEquals(List.of(128001), youtu.eos());
    assertTrue(
        youtu.layers().stream().allMatch(layer -> layer.ffn() instanceof FfnDescription.Dense));
  }

  @Test
  void theLargestThatAModelMaySay() throws IOException {
    assertEquals(1, read(DEEPSEEK_V3, config -> config.put("rms_norm_eps", 1)).normEps());
    assertRefused("rms_norm_eps", config -> config.put("rms_norm_eps", 1.01));
    // 2^16 heads of 2^15 - 1 elements
    ModelDescription wide =
        read(
            DEEPSEEK_V3,
            config ->
                config
                    .put("num_attention_heads", 1 << 16)
                    .put("qk_nope_head_dim", 1 << 14)
                    .put("v_head_dim", (1 << 14) - 1));
    assertEquals((1 << 14) - 1, wide.shape().value());
    for (String key : List.of("v_head_dim", "qk_rope_head_dim")) {
      assertRefused(
          "num_attention_heads is 65536, but heads of ",
          config ->
              config
                  .put("num_attention_heads", 1 << 16)
                  .put("qk_nope_head_dim", (1 << 15) - 1024)
                  .put(key, 1024));
    }
  }

  @Test
  void youtuMayCarryTheKeysOfExpertsThatItLacks() throws IOException {
    assertEquals(
        32,
        read("""
        {"model_type": "youtu", "first_k_dense_replace": 32, "n_routed_experts": 256,
         "n_group": 8, "topk_group": 4, "routed_scaling_factor": 2.5, "moe_layer_freq": 1}
        """)
            .layers()
            .size());
  }

  /**
   * V2's own code: renormalised weights are not scaled; with one expert there is nothing to
   * renormalise.
   */
  @Test
  void version2RenormalisesInsteadOfScaling() throws IOException {
    Routing routing =
        routing(
            read(
                DEEPSEEK_V2_LITE,
                config -> config.put("norm_topk_prob", true).put("routed_scaling_factor", 16)));
    assertTrue(routing.renormalize());
    assertEquals(1, routing.scale());
    Routing single =
        routing(
            read(
                DEEPSEEK_V2_LITE,
                config ->
                    config
                        .put("norm_topk_prob", true)
                        .put("routed_scaling_factor", 16)
                        .put("num_experts_per_tok", 1)));
    assertFalse(single.renormalize());
    assertEquals(16, single.scale());
  }

  @Test
  void groupsCountOnlyWhereTheMethodHasThem() throws IOException {
    Consumer<ObjectNode> groups = config -> config.put("n_group", 8).put("topk_group", 3);
    Routing greedy = routing(read(DEEPSEEK_V2_LITE, groups));
    assertEquals(1, greedy.groups());
    assertEquals(1, greedy.keptGroups());
    Routing limited =
        routing(
            read(
                DEEPSEEK_V2_LITE,
                groups.andThen(config -> config.put("topk_method", "group_limited_greedy"))));
    assertEquals(8, limited.groups());
    assertEquals(3, limited.keptGroups());
  }

  @Test
  void sharedExpertsAreTogetherNoWiderThanANetworkMayBe() throws IOException {
    FfnDescription.Mixture mixture =
        (FfnDescription.Mixture)
            read(DEEPSEEK_V2_LITE, config -> config.put("n_shared_experts", 744))
                .layers()
                .getLast()
                .ffn();
    assertEquals(744 * 1408, mixture.sharedWidth());
    String message =
        assertThrows(
                CheckpointException.class,
                () -> read(DEEPSEEK_V2_LITE, config -> config.put("n_shared_experts", 745)))
            .getMessage();
    assertTrue(message.endsWith("moe_intermediate_size it must be at most 1048576"), message);
  }

  @Test
  void whichLayersHaveExperts() throws IOException {
    assertEquals(
        List.of(false, false, true, false, true, false),
        sparse(
            read(
                DEEPSEEK_V3,
                c ->
                    c.put("num_hidden_layers", 6)
                        .put("first_k_dense_replace", 1)
                        .put("moe_layer_freq", 2))));
    assertEquals(
        List.of(true, false),
        sparse(
            read(
                DEEPSEEK_V3,
                c ->
                    c.put("num_hidden_layers", 2)
                        .putArray("mlp_layer_types")
                        .add("sparse")
                        .add("dense"))));
    assertEquals(
        List.of(false, false),
        sparse(
            read(
                DEEPSEEK_V3,
                c ->
                    c.put("num_hidden_layers", 2)
                        .putNull("n_routed_experts")
                        .put("first_k_dense_replace", 0))));
    // a model without experts may have groups that would not fit
    assertEquals(
        List.of(false, false),
        sparse(
            read(
                DEEPSEEK_V3,
                c -> c.put("num_hidden_layers", 2).put("n_group", 2).put("topk_group", 4))));
  }

  private static List<Boolean> sparse(ModelDescription model) {
    return model.layers().stream()
        .map(layer -> layer.ffn() instanceof FfnDescription.Mixture)
        .toList();
  }

  @Test
  void nullsOfGroupsAndSharedExperts() throws IOException {
    ModelDescription model =
        read(
            DEEPSEEK_V3,
            c -> c.putNull("n_group").putNull("topk_group").putNull("n_shared_experts"));
    assertEquals(1, routing(model).groups());
    assertEquals(0, ((FfnDescription.Mixture) model.layers().getLast().ffn()).sharedWidth());
  }

  @Test
  void endsOfText() throws IOException {
    assertEquals(
        List.of(3, 7), read(DEEPSEEK_V3, c -> c.putArray("eos_token_id").add(7).add(3)).eos());
    Files.writeString(directory.resolve("generation_config.json"), "{\"eos_token_id\": [5, 7]}");
    assertEquals(List.of(1, 5, 7), read(DEEPSEEK_V3).eos());
    Files.delete(directory.resolve("generation_config.json"));
    ModelDescription none =
        read(DEEPSEEK_V3, c -> c.putNull("eos_token_id").putNull("bos_token_id"));
    assertEquals(List.of(), none.eos());
    assertEquals(OptionalInt.empty(), none.bos());
  }

  /** What a fine-tune, a converter or a newer library writes beside what the model needs. */
  @Test
  void keysThatChangeNothingAreNotRefused() throws IOException {
    ModelDescription plain = read(DEEPSEEK_V3);
    assertEquals(
        plain,
        read(
            DEEPSEEK_V3,
            c ->
                c.put("use_sliding_window", false)
                    .put("sliding_window", 4096)
                    .put("max_window_layers", 28)));
    assertEquals(
        plain,
        read(
            DEEPSEEK_V3,
            c -> {
              ArrayNode types = c.putArray("layer_types");
              plain.layers().forEach(_ -> types.add("full_attention"));
              c.putNull("sliding_window");
            }));
    assertEquals(
        plain,
        read(
            DEEPSEEK_V3,
            c ->
                c.put("use_qk_norm", false)
                    .put("use_mrope", false)
                    .put("use_qkv_bias", false)
                    .put("attn_pdrop", 0.1)
                    .put("final_logit_softcapping", 0)
                    .putNull("attn_logit_softcapping")));
    assertRefused("use_sliding_window", c -> c.put("use_sliding_window", true));
    assertRefused(
        "layer_types",
        c -> c.putArray("layer_types").add("full_attention").add("sliding_attention"));
    assertRefused("sliding_window", c -> c.put("sliding_window", 4096));
    assertRefused("use_qk_norm", c -> c.put("use_qk_norm", true));
    assertRefused("final_logit_softcapping", c -> c.put("final_logit_softcapping", 30));
  }

  private void assertRefused(String key, Consumer<ObjectNode> change) {
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> read(DEEPSEEK_V3, change));
    assertTrue(
        e.getMessage().contains(": '" + key) || e.getMessage().contains(": " + key),
        e.getMessage());
  }

  @Test
  void idsThatAreNoTokensNameNone() throws IOException {
    assertEquals(List.of(), read(DEEPSEEK_V3, c -> c.put("eos_token_id", -1)).eos());
    assertEquals(
        List.of(1), read(DEEPSEEK_V3, c -> c.putArray("eos_token_id").add(1).add(129280)).eos());
    assertEquals(OptionalInt.empty(), read(DEEPSEEK_V3, c -> c.put("bos_token_id", -1)).bos());
    Files.writeString(
        directory.resolve("generation_config.json"), "{\"eos_token_id\": [5, -1, 200000]}");
    assertEquals(List.of(1, 5), read(DEEPSEEK_V3).eos());
    assertRefused("eos_token_id", c -> c.put("eos_token_id", 1.5));
    assertRefused("eos_token_id", c -> c.put("eos_token_id", "</s>"));
  }

  @Test
  void ropeMayBeSaidTwice() throws IOException {
    ModelDescription once = read(DEEPSEEK_V3);
    assertEquals(once, read(DEEPSEEK_V3, ConfigReaderTest::sayRopeTwice));
    assertRefused(
        "rope_scaling",
        c -> {
          sayRopeTwice(c);
          ((ObjectNode) c.get("rope_parameters")).put("factor", 41);
        });
    assertRefused(
        "rope_scaling",
        c -> {
          sayRopeTwice(c);
          ((ObjectNode) c.get("rope_parameters")).put("rope_theta", 9999);
        });
    assertRefused(
        "rope_scaling",
        c -> {
          sayRopeTwice(c);
          ((ObjectNode) c.get("rope_parameters")).remove("mscale");
        });
  }

  private static void sayRopeTwice(ObjectNode config) {
    ObjectNode rope = config.get("rope_scaling").deepCopy();
    rope.set("rope_type", rope.remove("type"));
    rope.set("rope_theta", config.get("rope_theta"));
    config.set("rope_parameters", rope);
  }

  @Test
  void otherNamesOfTheSame() throws IOException {
    assertEquals(
        read(DEEPSEEK_V3),
        read(DEEPSEEK_V3, c -> ((ObjectNode) c.get("rope_scaling")).put("type", "deepseek_yarn")));
    ModelDescription youtu = read("{\"model_type\": \"youtu\"}");
    ModelDescription llm =
        read(
            """
            {"model_type": "youtu_llm", "rope_scaling": {"type": "yarn", "factor": 1.0,
             "original_max_position_embeddings": 131072, "mscale_all_dim": 0.0}}
            """);
    assertEquals(youtu.layers().size(), llm.layers().size());
    assertEquals(youtu.names(), llm.names());
    assertEquals(
        1, ((RopeScaling.Yarn) llm.layers().get(0).mla().rope().scaling()).attentionFactor());
  }

  @Test
  void aQuantizationThatWasLeftBehindIsTold() {
    CheckpointException e =
        assertThrows(
            CheckpointException.class,
            () ->
                read(
                    DEEPSEEK_V3,
                    c -> c.putObject("quantization_config").put("quant_method", "gptq")));
    assertTrue(e.getMessage().contains("asks for 'gptq' weights"), e.getMessage());
    assertTrue(e.getMessage().contains("left the key behind, remove it"), e.getMessage());
  }

  @Test
  void whatStandsInPlaceOfAFileIsNamed() throws IOException {
    Path file = directory.resolve("config.json");
    Map<String, String> told =
        Map.of(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull",
            "# xet version 0\n", "git-xet",
            "\n<!DOCTYPE html><html></html>", "web page");
    for (Map.Entry<String, String> content : told.entrySet()) {
      Files.writeString(file, content.getKey());
      for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
        Path other = directory.resolve(name);
        Files.writeString(other, content.getKey());
        CheckpointException e =
            assertThrows(
                CheckpointException.class,
                () -> {
                  switch (name) {
                    case "config.json" -> ConfigReader.read(directory);
                    case "tokenizer.json" -> TokenizerSource.read(directory);
                    default -> Checkpoint.open(directory).close();
                  }
                });
        assertTrue(e.getMessage().startsWith(other + ": is a "), e.getMessage());
        assertTrue(e.getMessage().contains(content.getValue()), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
      }
    }
  }

  @Test
  void bothFormsOfRopeAreTheSame() throws IOException {
    ModelDescription older = read(DEEPSEEK_V3);
    ModelDescription newer =
        read(
            DEEPSEEK_V3,
            config -> {
              ObjectNode rope = (ObjectNode) config.remove("rope_scaling");
              rope.set("rope_type", rope.remove("type"));
              rope.set("rope_theta", config.remove("rope_theta"));
              config.set("rope_parameters", rope);
            });
    assertEquals(older, newer);
  }

  @Test
  void ropeTypes() throws IOException {
    assertEquals(new RopeScaling.Linear(4), scaling("{\"type\": \"linear\", \"factor\": 4}"));
    assertEquals(new RopeScaling.Ntk(2), scaling("{\"rope_type\": \"ntk\", \"factor\": 2}"));
    assertEquals(
        new RopeScaling.DynamicNtk(2, 163840), scaling("{\"type\": \"dynamic\", \"factor\": 2}"));
    assertEquals(
        new RopeScaling.Llama3(8, 1, 4, 8192),
        scaling(
            """
            {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
             "original_max_position_embeddings": 8192}
            """));
    RopeScaling.LongRope longRope =
        (RopeScaling.LongRope)
            scaling(
                """
                {"type": "longrope", "short_factor": [%s], "long_factor": [%s],
                 "original_max_position_embeddings": 32768}
                """
                    .formatted("1.0" + ", 1.0".repeat(31), "2.0" + ", 2.0".repeat(31)));
    assertEquals(Math.sqrt(1 + Math.log(5) / Math.log(32768)), longRope.attentionFactor(), 1e-12);
    // YaRN of other families: no mscale, so cosines and sines carry the factor; zeros count as
    // absent
    assertEquals(
        new RopeScaling.Yarn(40, 4096, 32, 1, true, 0.1 * Math.log(40) + 1),
        scaling(
            """
            {"type": "yarn", "original_max_position_embeddings": 4096, "beta_fast": 0,
             "beta_slow": null}
            """));
    assertEquals(
        new RopeScaling.Yarn(4, 163840, 32, 1, false, 1.5),
        scaling(
            "{\"type\": \"yarn\", \"factor\": 4, \"attention_factor\": 1.5, \"truncate\": false}"));
  }

  private RopeScaling scaling(String rope) throws IOException {
    ObjectNode parsed = (ObjectNode) ModelFiles.MAPPER.readTree(rope);
    return read(DEEPSEEK_V3, config -> config.set("rope_scaling", parsed))
        .layers()
        .get(0)
        .mla()
        .rope()
        .scaling();
  }

  /** transformers applies mscale_all_dim to the score in every type but the default one. */
  @Test
  void scoreScaleFollowsMscaleAllDimInEveryType() throws IOException {
    ObjectNode linear =
        (ObjectNode)
            ModelFiles.MAPPER.readTree(
                "{\"type\": \"linear\", \"factor\": 40, \"mscale_all_dim\": 1}");
    assertEquals(
        0.1352337789,
        read(DEEPSEEK_V3, config -> config.set("rope_scaling", linear))
            .layers()
            .get(0)
            .mla()
            .scoreScale(),
        1e-8);
    linear.put("type", "default");
    assertEquals(
        1 / Math.sqrt(192),
        read(DEEPSEEK_V3, config -> config.set("rope_scaling", linear))
            .layers()
            .get(0)
            .mla()
            .scoreScale(),
        1e-8);
  }

  @Test
  void keysWithoutEffectPass() throws IOException {
    ModelDescription model =
        read(
            DEEPSEEK_V3,
            config ->
                config
                    .put("_name_or_path", "x")
                    .put("dtype", "bfloat16")
                    .put("head_dim", 64)
                    .put("embedding_initializer_range", 0.1)
                    .put("router_aux_loss_coef", 0.1)
                    .put("embd_pdrop_dropout", 0.1)
                    .put("use_cache", false)
                    .put("output_router_logits", true)
                    .put("pad_token_id", 2)
                    .put("unsloth_fixed", true)
                    .put("sliding_window", (String) null)
                    .put("comment", "hello"));
    assertEquals(read(DEEPSEEK_V3), model);
  }
}
