package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.StateLayout;
import io.mla4j.checkpoint.AttentionDescription.Kda;
import io.mla4j.ops.AttendDelta.Decay;
import io.mla4j.position.RopeScaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Configurations of models with layers of Kimi Delta Attention. */
class HybridFamiliesTest {
  /** Kimi-Linear-48B-A3B. */
  private static final String KIMI =
      """
      {"model_type": "kimi_linear", "head_dim": 72, "hidden_size": 2304, "kv_lora_rank": 512,
       "linear_attn_config": {"full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128,
         "kda_layers": [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26],
         "num_heads": 32, "short_conv_kernel_size": 4},
       "mla_use_nope": true, "model_max_length": 1048576, "moe_intermediate_size": 1024,
       "moe_layer_freq": 1, "moe_renormalize": true, "moe_router_activation_func": "sigmoid",
       "num_attention_heads": 32, "num_expert_group": 1, "num_experts": 256,
       "num_experts_per_token": 8, "num_hidden_layers": 27, "num_key_value_heads": 32,
       "num_shared_experts": 1, "q_lora_rank": null, "qk_nope_head_dim": 128,
       "qk_rope_head_dim": 64, "rms_norm_eps": 1e-5, "rope_scaling": null, "rope_theta": 10000.0,
       "routed_scaling_factor": 2.446, "topk_group": 1, "use_grouped_topk": true,
       "v_head_dim": 128, "vocab_size": 163840}
      """;

  /** Ling-3.0-tiny. */
  private static final String LING =
      """
      {"model_type": "bailing_hybrid", "architectures": ["BailingMoeV3ForCausalLM"],
       "first_k_dense_replace": 1, "gated_attention_proj_granularity_type": "head_wise",
       "head_dim": 128, "hidden_size": 1536, "intermediate_size": 4608, "kda_lower_bound": -5,
       "kda_safe_gate": true, "kv_lora_rank": 512, "layer_group_size": 4,
       "linear_attention": "kda", "max_position_embeddings": 131072,
       "moe_intermediate_size": 512, "moe_router_enable_expert_bias": true,
       "moe_shared_expert_intermediate_size": 512, "n_group": 8, "no_kda_lora": true,
       "norm_topk_prob": true, "num_attention_heads": 16, "num_experts": 128,
       "num_experts_per_tok": 8, "num_hidden_layers": 24, "num_key_value_heads": 16,
       "num_nextn_predict_layers": 0, "num_shared_experts": 1, "q_lora_rank": 256,
       "qk_head_dim": 192, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
       "rms_norm_eps": 1e-6, "rope_interleave": true, "rope_scaling": null,
       "rope_theta": 6000000, "routed_scaling_factor": 2.5, "score_function": "sigmoid",
       "short_conv_kernel_size": 4, "topk_group": 4, "use_bias": false, "use_qk_norm": false,
       "use_qkv_bias": false, "v_head_dim": 128, "vocab_size": 157184}
      """;

  @TempDir private Path directory;

  private ModelDescription read(String config, Consumer<ObjectNode> change) throws IOException {
    ObjectNode object = (ObjectNode) ModelFiles.MAPPER.readTree(config);
    change.accept(object);
    Files.writeString(directory.resolve("config.json"), object.toString());
    return ConfigReader.read(directory);
  }

  private void assertRefused(String config, Consumer<ObjectNode> change, String detail) {
    String message =
        assertThrows(CheckpointException.class, () -> read(config, change)).getMessage();
    assertTrue(message.contains(detail), message);
    assertEquals(1, message.lines().count(), message);
  }

  private static int[] latentLayers(ModelDescription model) {
    return IntStream.range(0, model.layers().size())
        .filter(i -> model.layers().get(i).attention() instanceof AttentionDescription.Mla)
        .toArray();
  }

  @Test
  void kimiLinearListsItsLayersFromOne() throws IOException {
    ModelDescription model = read(KIMI, _ -> {});
    assertEquals("[3, 7, 11, 15, 19, 23, 26]", java.util.Arrays.toString(latentLayers(model)));
    assertEquals(
        new Kda(new StateLayout(32, 128), OptionalInt.of(128), new Decay.Softplus(), 1e-5f),
        model.layers().getFirst().attention());
    AttentionDescription.Mla mla = model.layers().getLast().mla();
    assertInstanceOf(RopeScaling.NoRotation.class, mla.rope().scaling());
    assertEquals(64, mla.shape().rope());
    assertEquals((float) (1 / Math.sqrt(192)), mla.scoreScale());
    assertEquals(1e-6f, mla.latentNormEps());
    assertEquals(20, model.stateLayers());
    assertEquals(7, model.cacheLayers());
    assertEquals(2, model.stateLayer(2));
    assertEquals(3, model.stateLayer(4));
    assertEquals(1, model.cacheLayer(4));
    assertEquals(1048576, model.context());
  }

  @Test
  void kimiLinearIsRefusedWithoutClearLists() {
    assertRefused(KIMI, config -> config.remove("linear_attn_config"), "linear_attn_config");
    Consumer<Consumer<ObjectNode>> refuses =
        change ->
            assertRefused(
                KIMI,
                config -> change.accept((ObjectNode) config.get("linear_attn_config")),
                "linear_attn_config.");
    assertRefused(
        KIMI,
        config -> ((ObjectNode) config.get("linear_attn_config")).withArray("kda_layers").remove(1),
        "linear_attn_config.kda_layers does not name layer 2, nor does full_attn_layers");
    refuses.accept(object -> object.remove("kda_layers"));
    refuses.accept(object -> object.putArray("kda_layers").add(1));
    refuses.accept(object -> object.withArray("kda_layers").add(4));
    refuses.accept(object -> object.withArray("kda_layers").add(28));
    refuses.accept(object -> object.withArray("kda_layers").add(0));
    refuses.accept(object -> object.withArray("kda_layers").add(2.5));
    refuses.accept(object -> object.put("full_attn_layers", 4));
    refuses.accept(object -> object.put("short_conv_kernel_size", 3));
    refuses.accept(object -> object.put("head_dim", 512));
    refuses.accept(object -> object.put("gate_lower_bound", -5));
    assertRefused(KIMI, config -> config.put("mla_use_nope", false), "mla_use_nope");
    assertRefused(KIMI, config -> config.put("use_grouped_topk", false), "use_grouped_topk");
    assertRefused(
        KIMI, config -> config.putArray("layer_types").add("linear_attention"), "layer_types");
  }

  /** Newer configurations say it twice, and what a GGUF file says is the types alone. */
  @Test
  void theTypeOfEachLayerMayStandInPlaceOfListsAndGroups() throws IOException {
    ModelDescription kimi = read(KIMI, _ -> {});
    assertEquals(kimi, read(KIMI, config -> types(config, kimi, 27)));
    assertEquals(kimi, read(withoutLists(KIMI), config -> types(config, kimi, 27)));
    ModelDescription ling = read(LING, _ -> {});
    assertEquals(ling, read(LING, config -> types(config, ling, 24)));
    assertEquals(ling, read(withoutLists(LING), config -> types(config, ling, 24)));
    for (int wrong : new int[] {26, 28}) {
      for (String config : List.of(KIMI, withoutLists(KIMI))) {
        assertRefused(
            config, object -> types(object, kimi, wrong), "layer_types does not say of the 27");
      }
    }
    assertRefused(withoutLists(KIMI), _ -> {}, "linear_attn_config.kda_layers is missing");
    assertRefused(withoutLists(LING), _ -> {}, "layer_group_size is missing");
  }

  /** The types of {@code count} layers: those of the model, and further ones like the last. */
  private static void types(ObjectNode config, ModelDescription model, int count) {
    ArrayNode list = config.putArray("layer_types");
    for (int i = 0; i < count; i++) {
      LayerDescription layer = model.layers().get(Math.min(i, model.layers().size() - 1));
      list.add(layer.attention() instanceof Kda ? "linear_attention" : "full_attention");
    }
  }

  private static String withoutLists(String config) throws IOException {
    ObjectNode object = (ObjectNode) ModelFiles.MAPPER.readTree(config);
    object.remove("layer_group_size");
    if (object.get("linear_attn_config") instanceof ObjectNode delta) {
      delta.remove(List.of("kda_layers", "full_attn_layers"));
    }
    return object.toString();
  }

  @Test
  void lingEndsEachGroupWithLatentAttention() throws IOException {
    ModelDescription model = read(LING, _ -> {});
    assertEquals("[3, 7, 11, 15, 19, 23]", java.util.Arrays.toString(latentLayers(model)));
    assertEquals(
        new Kda(new StateLayout(16, 128), OptionalInt.empty(), new Decay.Bounded(-5), 1e-6f),
        model.layers().getFirst().attention());
    AttentionDescription.Mla mla = model.layers().getLast().mla();
    assertEquals(AttentionDescription.OutputGate.PER_HEAD, mla.outputGate());
    assertEquals(OptionalInt.of(256), mla.queryLatent());
    assertEquals(6e6, mla.rope().theta());
    assertEquals(
        new Decay.Softplus(),
        ((Kda) read(LING, config -> config.put("kda_safe_gate", false)).layers().get(0).attention())
            .decay());
    assertEquals(
        new Decay.Bounded(0),
        ((Kda) read(LING, config -> config.put("kda_lower_bound", 0)).layers().get(0).attention())
            .decay());
  }

  @Test
  void lingIsRefusedWhereItComputesSomethingElse() throws IOException {
    assertRefused(
        LING,
        config -> config.putArray("architectures").add("BailingMoeV2_5ForCausalLM"),
        "BailingMoeV2_5ForCausalLM");
    assertRefused(LING, config -> config.remove("kda_safe_gate"), "kda_safe_gate");
    assertRefused(LING, config -> config.put("linear_attention", "lightning"), "linear_attention");
    assertRefused(LING, config -> config.put("group_norm_size", 4), "group_norm_size");
    assertRefused(LING, config -> config.put("layer_group_size", 5), "layer_group_size");
    assertRefused(LING, config -> config.put("layer_group_size", 48), "layer_group_size");
    assertRefused(LING, config -> config.put("kda_lower_bound", 1), "kda_lower_bound");
    assertRefused(
        LING,
        config -> config.put("kda_lower_bound", 1).put("kda_safe_gate", false),
        "kda_lower_bound is 1, but must be 0 or a negative number");
    assertRefused(LING, config -> config.put("no_kda_lora", false), "no_kda_lora");
    assertRefused(
        LING,
        config -> config.put("gated_attention_proj_granularity_type", "element_wise"),
        "gated_attention_proj_granularity_type");
    for (String limits :
        new String[] {"expert_swiglu_limit_list", "share_expert_swiglu_limit_list"}) {
      assertRefused(LING, config -> config.putArray(limits).add(0).add(4), limits);
      assertRefused(LING, config -> limits(config, limits, 0, 4), limits + " has 4.0 for layer 0");
      assertRefused(LING, config -> limits(config, limits, 23, -1), limits + " is -1");
      assertRefused(LING, config -> config.put(limits, "off"), limits);
    }
  }

  @Test
  void lingsActivationsAreLimitedByLayer() throws IOException {
    ModelDescription model =
        read(
            LING,
            config -> {
              limits(config, "expert_swiglu_limit_list", 23, 4);
              limits(config, "share_expert_swiglu_limit_list", 22, 7);
            });
    assertEquals(4, mixture(model, 23).limit());
    assertEquals(7, mixture(model, 22).sharedLimit());
    assertEquals(Float.POSITIVE_INFINITY, mixture(model, 22).limit());
    assertFalse(mixture(model, 21).isLimited());
    assertFalse(mixture(read(LING, config -> {}), 23).isLimited());
    assertEquals(
        3, mixture(read(LING, config -> config.put("expert_swiglu_limit_list", 3)), 1).limit());
  }

  private static FfnDescription.Mixture mixture(ModelDescription model, int layer) {
    return assertInstanceOf(FfnDescription.Mixture.class, model.layers().get(layer).ffn());
  }

  /** One limit for 24 layers, and one element more, as of a layer that predicts further tokens. */
  private static void limits(ObjectNode config, String key, int layer, double limit) {
    ArrayNode list = config.putArray(key);
    for (int i = 0; i < 25; i++) {
      list.add(i == layer ? limit : 0);
    }
  }
}
