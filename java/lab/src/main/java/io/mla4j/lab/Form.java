package io.mla4j.lab;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/** What kind of checkpoint a conversion becomes. */
public enum Form {
  /**
   * mla4j's own, {@code mla4j_mla}: frequencies and slopes of each layer in config.json, no latent
   * norm.
   */
  FULL {
    @Override
    void describe(ObjectNode config, ObjectNode original, List<LatentLayer> layers) {
      config.put("model_type", "mla4j_mla");
      config.put("kv_a_norm", false);
      boolean rotates = layers.getFirst().frequencies().length > 0;
      boolean slopes =
          layers.stream().anyMatch(layer -> Arrays.stream(layer.slopes()).anyMatch(s -> s > 0));
      if (!rotates) {
        config.put("position_embedding", slopes ? "alibi" : "none");
      } else {
        table(config, "rope_frequencies", layers, LatentLayer::frequencies);
      }
      if (slopes) {
        table(config, "alibi_slopes", layers, LatentLayer::slopes);
      }
    }

    @Override
    double latentScale(LatentLayer layer) {
      return 1;
    }
  },
  /**
   * A {@code deepseek_v3} checkpoint that transformers loads: the rotation of the original, one
   * rank. Its kv_a_layernorm is no linear map, so it is made one: latents are made so small that
   * {@code c / sqrt(mean(c^2) + eps)} is {@code c / sqrt(eps)} to the last bit of a float32, and
   * its weight makes them as large as they were. Such latents are no numbers of float16.
   */
  COMPATIBLE {
    @Override
    void describe(ObjectNode config, ObjectNode original, List<LatentLayer> layers) {
      config.put("model_type", "deepseek_v3");
      config.putArray("architectures").add("DeepseekV3ForCausalLM");
      config.put("attention_bias", false);
      config.put("q_lora_rank", (Integer) null);
      config.put("moe_intermediate_size", config.path("intermediate_size").asInt());
      config.put("n_routed_experts", 8);
      config.put("n_shared_experts", 1);
      config.put("num_experts_per_tok", 1);
      config.put("n_group", 1);
      config.put("topk_group", 1);
      config.put("norm_topk_prob", true);
      config.put("routed_scaling_factor", 1.0);
      for (String key : List.of("rope_theta", "rope_scaling", "rope_parameters")) {
        if (original.has(key)) {
          config.set(key, original.get(key));
        }
      }
      JsonNode parameters = original.path("rope_parameters");
      if (!original.has("rope_theta") && parameters.has("rope_theta")) {
        config.set("rope_theta", parameters.get("rope_theta"));
      }
    }

    @Override
    double latentScale(LatentLayer layer) {
      return SMALL / Math.sqrt(Math.max(layer.square(), Double.MIN_NORMAL));
    }
  };

  /** The epsilon of DeepSeek's latent norm, whatever config.json says of the other norms. */
  static final double EPSILON = 1e-6;

  /** Root of the mean square of a latent: its square is 1e-10 of the epsilon. */
  private static final double SMALL = 1e-8;

  private static void table(
      ObjectNode config, String key, List<LatentLayer> layers, Function<LatentLayer, double[]> of) {
    ArrayNode rows = config.putArray(key);
    for (LatentLayer layer : layers) {
      ArrayNode row = rows.addArray();
      Arrays.stream(of.apply(layer)).forEach(row::add);
    }
  }

  /** Adds the keys that are its own. */
  abstract void describe(ObjectNode config, ObjectNode original, List<LatentLayer> layers);

  /** What latents are multiplied by before their norm. */
  abstract double latentScale(LatentLayer layer);
}
