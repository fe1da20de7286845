package io.mla4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.GgufBytes;
import io.mla4j.checkpoint.StoredTensor;
import java.util.Map;
import java.util.TreeMap;

/** What llama.cpp's converter writes of layers with Kimi Delta Attention. */
final class GgufHybrid {
  private static final Map<String, String> NAMES =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("k_proj.weight", "attn_k.weight"),
              Map.entry("v_proj.weight", "attn_v.weight"),
              Map.entry("q_conv1d.weight", "ssm_conv1d_q.weight"),
              Map.entry("k_conv1d.weight", "ssm_conv1d_k.weight"),
              Map.entry("v_conv1d.weight", "ssm_conv1d_v.weight"),
              Map.entry("f_a_proj.weight", "ssm_f_a.weight"),
              Map.entry("f_b_proj.weight", "ssm_f_b.weight"),
              Map.entry("f_proj.weight", "ssm_f_a.weight"),
              Map.entry("b_proj.weight", "ssm_beta.weight"),
              Map.entry("g_a_proj.weight", "ssm_g_a.weight"),
              Map.entry("g_b_proj.weight", "ssm_g_b.weight"),
              Map.entry("o_norm.weight", "ssm_norm.weight"),
              Map.entry("dt_bias", "ssm_dt.bias"),
              Map.entry("A_log", "ssm_a")));

  private GgufHybrid() {}

  static boolean is(String architecture) {
    return architecture.equals("kimi-linear") || architecture.equals("bailingmoe3");
  }

  /** The tensor under the name that it has in DeepSeek-V3, where there is one. */
  static StoredTensor renamed(StoredTensor t) {
    String name =
        t.name()
            .replace(".block_sparse_moe.", ".mlp.")
            .replaceAll("(experts\\.\\d+)\\.w1\\.", "$1.gate_proj.")
            .replaceAll("(experts\\.\\d+)\\.w2\\.", "$1.down_proj.")
            .replaceAll("(experts\\.\\d+)\\.w3\\.", "$1.up_proj.")
            .replace("model.word_embeddings.", "model.embed_tokens.")
            .replace("gate.expert_bias", "gate.e_score_correction_bias")
            .replace(".attention.dense.", ".self_attn.o_proj.")
            .replace(".attention.", ".self_attn.");
    return new StoredTensor(name, t.file(), t.type(), t.shape(), t.segment());
  }

  private static void limits(String key, JsonNode list, GgufBytes file) {
    if (list.isArray()) {
      byte[][] limits = new byte[list.size()][];
      for (int i = 0; i < limits.length; i++) {
        limits[i] = GgufBytes.u32(Float.floatToIntBits(list.get(i).floatValue()));
      }
      file.array(key, 6, limits.length, limits);
    }
  }

  static void keys(String architecture, JsonNode config, GgufBytes file) {
    if (!is(architecture)) {
      return;
    }
    JsonNode delta = config.path("linear_attn_config");
    boolean kimi = delta.isObject();
    String prefix = architecture + ".";
    int layers = config.path("num_hidden_layers").intValue();
    byte[][] heads = new byte[layers][];
    for (int i = 0; i < layers; i++) {
      boolean latent = !kimi && (i + 1) % config.path("layer_group_size").intValue() == 0;
      for (JsonNode full : delta.path("full_attn_layers")) {
        latent |= full.intValue() == i + 1;
      }
      heads[i] = GgufBytes.u32(latent ? 1 : 0);
    }
    file.array(prefix + "attention.head_count_kv", 5, layers, heads);
    limits(prefix + "swiglu_clamp_exp", config.path("expert_swiglu_limit_list"), file);
    limits(prefix + "swiglu_clamp_shexp", config.path("share_expert_swiglu_limit_list"), file);
    file.u32(
        prefix + "kda.head_dim",
        (kimi ? delta.path("head_dim") : config.path("head_dim")).intValue());
    file.u32(prefix + "ssm.conv_kernel", 4);
    file.u32(prefix + "expert_count", config.path("num_experts").intValue());
    file.u32(prefix + "expert_shared_count", config.path("num_shared_experts").intValue());
    if (kimi) {
      file.u32(prefix + "context_length", config.path("model_max_length").intValue());
      file.u32(prefix + "expert_used_count", config.path("num_experts_per_token").intValue());
    } else {
      file.f32(prefix + "kda.gate_lower_bound", config.path("kda_lower_bound").floatValue());
      file.flag(prefix + "kda.safe_gate", true);
      file.u32(
          prefix + "expert_shared_feed_forward_length",
          config.path("moe_shared_expert_intermediate_size").intValue());
    }
  }

  /** Writes a tensor that only such layers have. */
  static boolean write(StoredTensor t, GgufBytes file) {
    int at = t.name().indexOf(".self_attn.");
    if (at < 0) {
      return false;
    }
    String own = t.name().substring(at + ".self_attn.".length());
    String layer = t.name().substring(0, at).replace("model.layers.", "blk.") + ".";
    String name = NAMES.get(own);
    if (own.equals("g_proj.weight")) {
      name = t.shape().get(0) == 4 ? "attn_gate.weight" : "ssm_g_a.weight";
    }
    if (name == null) {
      return false;
    }
    float[] values = t.toFloats();
    if (name.equals("ssm_a")) {
      // bounded decays are stored without the minus
      boolean kimi = t.shape().size() == 4;
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (kimi ? -Math.exp(values[i]) : Math.exp(values[i]));
      }
      file.tensor(layer + name, 0, GgufBytes.floats(values), 1, values.length);
      return true;
    }
    long[] shape = t.shape().reversed().stream().mapToLong(Long::longValue).toArray();
    file.tensor(layer + name, 0, GgufBytes.floats(values), shape);
    return true;
  }
}
