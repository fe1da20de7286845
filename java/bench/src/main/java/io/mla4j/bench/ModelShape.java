package io.mla4j.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The sizes of a model of random weights.
 *
 * @param denseLayers the first layers, with one network each; the others have experts
 * @param queryLatent width of the query latent, or 0 for queries straight from the hidden state
 */
record ModelShape(
    int layers,
    int denseLayers,
    int hidden,
    int vocabulary,
    int heads,
    int queryLatent,
    int latent,
    int rope,
    int nope,
    int value,
    int denseWidth,
    int experts,
    int sharedExperts,
    int topK,
    int expertWidth) {
  private static final int CONTEXT = 163_840;

  /** Dense models have DeepSeek-V3's form, those with experts V2-Lite's. */
  boolean isDense() {
    return denseLayers == layers;
  }

  /** What config.json holds. */
  Map<String, Object> config() {
    boolean dense = isDense();
    Map<String, Object> config = new LinkedHashMap<>();
    config.put(
        "architectures", new String[] {dense ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM"});
    config.put("model_type", dense ? "deepseek_v3" : "deepseek_v2");
    config.put("attention_bias", false);
    config.put("bos_token_id", 0);
    config.put("eos_token_id", 1);
    config.put("first_k_dense_replace", denseLayers);
    config.put("hidden_act", "silu");
    config.put("hidden_size", hidden);
    config.put("intermediate_size", denseWidth);
    config.put("kv_lora_rank", latent);
    config.put("max_position_embeddings", CONTEXT);
    config.put("moe_intermediate_size", expertWidth);
    config.put("moe_layer_freq", 1);
    config.put("n_group", 1);
    config.put("n_routed_experts", experts);
    config.put("n_shared_experts", sharedExperts);
    config.put("norm_topk_prob", dense);
    config.put("num_attention_heads", heads);
    config.put("num_experts_per_tok", topK);
    config.put("num_hidden_layers", layers);
    config.put("num_key_value_heads", heads);
    config.put("q_lora_rank", queryLatent == 0 ? null : queryLatent);
    config.put("qk_nope_head_dim", nope);
    config.put("qk_rope_head_dim", rope);
    config.put("rms_norm_eps", 1e-6);
    config.put("rope_theta", 10000.0);
    config.put("rope_scaling", dense ? null : yarn());
    config.put("routed_scaling_factor", 1.0);
    config.put("scoring_func", dense ? "sigmoid" : "softmax");
    config.put("tie_word_embeddings", false);
    config.put("topk_group", 1);
    config.put("topk_method", dense ? "noaux_tc" : "greedy");
    config.put("torch_dtype", "bfloat16");
    config.put("v_head_dim", value);
    config.put("vocab_size", vocabulary);
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
