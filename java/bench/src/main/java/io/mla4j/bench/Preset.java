package io.mla4j.bench;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Models of published shapes with few layers, for random weights. */
public enum Preset {
  /** Dense, of V3's form: attention of DeepSeek-V3 with 16 heads, 461 million parameters. */
  DENSE_461M("dense-461m", 4, 4, 1536),
  /** DeepSeek-V2-Lite with 3 layers, 1 dense and 2 of 64 experts, and a small vocabulary. */
  V2_LITE_3L("v2-lite-3l", 3, 1, 0);

  static final int HIDDEN = 2048;
  static final int HEADS = 16;
  static final int LATENT = 512;
  static final int ROPE = 64;
  static final int NOPE = 128;
  static final int VALUE = 128;
  static final int DENSE_WIDTH = 10944;
  static final int VOCABULARY = 32000;
  static final int EXPERTS = 64;
  static final int SHARED_EXPERTS = 2;
  static final int TOP_K = 6;
  static final int EXPERT_WIDTH = 1408;
  private static final int CONTEXT = 163_840;

  private final String id;
  final int layers;
  final int denseLayers;

  /** Width of the query latent, or 0 for queries straight from the hidden state. */
  final int queryLatent;

  Preset(String id, int layers, int denseLayers, int queryLatent) {
    this.id = id;
    this.layers = layers;
    this.denseLayers = denseLayers;
    this.queryLatent = queryLatent;
  }

  /** The name that users say. */
  public String id() {
    return id;
  }

  /**
   * The preset that users call {@code id}.
   *
   * @throws BenchException where there is none, with those that are known
   */
  public static Preset of(String id) {
    for (Preset preset : values()) {
      if (preset.id.equals(id.toLowerCase(Locale.ROOT))) {
        return preset;
      }
    }
    throw new BenchException("preset is " + id + ", but must be dense-461m or v2-lite-3l");
  }

  /** What config.json holds. */
  Map<String, Object> config() {
    boolean dense = denseLayers == layers;
    Map<String, Object> config = new LinkedHashMap<>();
    config.put(
        "architectures", new String[] {dense ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM"});
    config.put("model_type", dense ? "deepseek_v3" : "deepseek_v2");
    config.put("attention_bias", false);
    config.put("bos_token_id", 0);
    config.put("eos_token_id", 1);
    config.put("first_k_dense_replace", denseLayers);
    config.put("hidden_act", "silu");
    config.put("hidden_size", HIDDEN);
    config.put("intermediate_size", DENSE_WIDTH);
    config.put("kv_lora_rank", LATENT);
    config.put("max_position_embeddings", CONTEXT);
    config.put("moe_intermediate_size", EXPERT_WIDTH);
    config.put("moe_layer_freq", 1);
    config.put("n_group", 1);
    config.put("n_routed_experts", EXPERTS);
    config.put("n_shared_experts", SHARED_EXPERTS);
    config.put("norm_topk_prob", dense);
    config.put("num_attention_heads", HEADS);
    config.put("num_experts_per_tok", TOP_K);
    config.put("num_hidden_layers", layers);
    config.put("num_key_value_heads", HEADS);
    config.put("q_lora_rank", queryLatent == 0 ? null : queryLatent);
    config.put("qk_nope_head_dim", NOPE);
    config.put("qk_rope_head_dim", ROPE);
    config.put("rms_norm_eps", 1e-6);
    config.put("rope_theta", 10000.0);
    config.put("rope_scaling", dense ? null : yarn());
    config.put("routed_scaling_factor", 1.0);
    config.put("scoring_func", dense ? "sigmoid" : "softmax");
    config.put("tie_word_embeddings", false);
    config.put("topk_group", 1);
    config.put("topk_method", dense ? "noaux_tc" : "greedy");
    config.put("torch_dtype", "bfloat16");
    config.put("v_head_dim", VALUE);
    config.put("vocab_size", VOCABULARY);
    return config;
  }

  /** DeepSeek-V2-Lite's. */
  private static Map<String, Object> yarn() {
    Map<String, Object> yarn = new LinkedHashMap<>();
    yarn.put("type", "yarn");
    yarn.put("beta_fast", 32);
    yarn.put("beta_slow", 1);
    yarn.put("factor", 40);
    yarn.put("mscale", 0.707);
    yarn.put("mscale_all_dim", 0.707);
    yarn.put("original_max_position_embeddings", 4096);
    return yarn;
  }
}
