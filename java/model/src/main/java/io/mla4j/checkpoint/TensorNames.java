package io.mla4j.checkpoint;

import static java.util.Map.entry;

import java.util.Map;

/**
 * The names of a family's tensors: a template for each role, in which {@code {l}} stands for the
 * layer and {@code {e}} for the expert.
 *
 * @param templates a template for each role that the family has
 */
public record TensorNames(Map<TensorRole, String> templates) {
  /** The names that DeepSeek-V2 introduced and most families kept. */
  public static final TensorNames DEEPSEEK =
      new TensorNames(
          Map.ofEntries(
              entry(TensorRole.EMBEDDING, "model.embed_tokens.weight"),
              entry(TensorRole.FINAL_NORM, "model.norm.weight"),
              entry(TensorRole.OUTPUT, "lm_head.weight"),
              entry(TensorRole.ATTENTION_NORM, "model.layers.{l}.input_layernorm.weight"),
              entry(TensorRole.FFN_NORM, "model.layers.{l}.post_attention_layernorm.weight"),
              entry(TensorRole.QUERY, "model.layers.{l}.self_attn.q_proj.weight"),
              entry(TensorRole.QUERY_DOWN, "model.layers.{l}.self_attn.q_a_proj.weight"),
              entry(TensorRole.QUERY_DOWN_BIAS, "model.layers.{l}.self_attn.q_a_proj.bias"),
              entry(TensorRole.QUERY_NORM, "model.layers.{l}.self_attn.q_a_layernorm.weight"),
              entry(TensorRole.QUERY_UP, "model.layers.{l}.self_attn.q_b_proj.weight"),
              entry(TensorRole.LATENT_DOWN, "model.layers.{l}.self_attn.kv_a_proj_with_mqa.weight"),
              entry(
                  TensorRole.LATENT_DOWN_BIAS,
                  "model.layers.{l}.self_attn.kv_a_proj_with_mqa.bias"),
              entry(TensorRole.LATENT_NORM, "model.layers.{l}.self_attn.kv_a_layernorm.weight"),
              entry(TensorRole.LATENT_UP, "model.layers.{l}.self_attn.kv_b_proj.weight"),
              entry(TensorRole.ATTENTION_OUTPUT, "model.layers.{l}.self_attn.o_proj.weight"),
              entry(TensorRole.ATTENTION_OUTPUT_BIAS, "model.layers.{l}.self_attn.o_proj.bias"),
              entry(TensorRole.DENSE_GATE, "model.layers.{l}.mlp.gate_proj.weight"),
              entry(TensorRole.DENSE_UP, "model.layers.{l}.mlp.up_proj.weight"),
              entry(TensorRole.DENSE_DOWN, "model.layers.{l}.mlp.down_proj.weight"),
              entry(TensorRole.ROUTER, "model.layers.{l}.mlp.gate.weight"),
              entry(TensorRole.ROUTER_BIAS, "model.layers.{l}.mlp.gate.e_score_correction_bias"),
              entry(TensorRole.EXPERT_GATE, "model.layers.{l}.mlp.experts.{e}.gate_proj.weight"),
              entry(TensorRole.EXPERT_UP, "model.layers.{l}.mlp.experts.{e}.up_proj.weight"),
              entry(TensorRole.EXPERT_DOWN, "model.layers.{l}.mlp.experts.{e}.down_proj.weight"),
              entry(TensorRole.SHARED_GATE, "model.layers.{l}.mlp.shared_experts.gate_proj.weight"),
              entry(TensorRole.SHARED_UP, "model.layers.{l}.mlp.shared_experts.up_proj.weight"),
              entry(
                  TensorRole.SHARED_DOWN, "model.layers.{l}.mlp.shared_experts.down_proj.weight")));

  /** Keeps its own copy of the templates. */
  public TensorNames {
    templates = Map.copyOf(templates);
  }

  /**
   * The name of a tensor; layer and expert are ignored where the template has no place for them.
   */
  public String name(TensorRole role, int layer, int expert) {
    return templates
        .get(role)
        .replace("{l}", Integer.toString(layer))
        .replace("{e}", Integer.toString(expert));
  }
}
