package io.mla4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.GgufBytes;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.StoredType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * A golden case as llama.cpp's converter would write it: its keys and names, attn_k_b transposed,
 * experts stacked, norms in float32.
 */
final class GgufTwin {
  private static final Map<String, String> NAMES = new LinkedHashMap<>();

  static {
    NAMES.put("model.embed_tokens.weight", "token_embd.weight");
    NAMES.put("model.norm.weight", "output_norm.weight");
    NAMES.put("lm_head.weight", "output.weight");
    NAMES.put("model.layers.", "blk.");
    NAMES.put("input_layernorm", "attn_norm");
    NAMES.put("post_attention_layernorm", "ffn_norm");
    NAMES.put("self_attn.q_proj", "attn_q");
    NAMES.put("self_attn.q_a_proj", "attn_q_a");
    NAMES.put("self_attn.q_a_layernorm", "attn_q_a_norm");
    NAMES.put("self_attn.q_b_proj", "attn_q_b");
    NAMES.put("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa");
    NAMES.put("self_attn.kv_a_layernorm", "attn_kv_a_norm");
    NAMES.put("self_attn.kv_b_proj", "attn_kv_b");
    NAMES.put("self_attn.o_proj", "attn_output");
    NAMES.put("self_attn.indexer.wq_b", "indexer.attn_q_b");
    NAMES.put("self_attn.indexer.wk", "indexer.attn_k");
    NAMES.put("self_attn.indexer.k_norm", "indexer.k_norm");
    NAMES.put("self_attn.indexer.weights_proj", "indexer.proj");
    NAMES.put("mlp.gate.weight", "ffn_gate_inp.weight");
    NAMES.put("mlp.gate.e_score_correction_bias", "exp_probs_b.bias");
    NAMES.put("mlp.shared_experts.gate_proj", "ffn_gate_shexp");
    NAMES.put("mlp.shared_experts.up_proj", "ffn_up_shexp");
    NAMES.put("mlp.shared_experts.down_proj", "ffn_down_shexp");
    NAMES.put("mlp.gate_proj", "ffn_gate");
    NAMES.put("mlp.up_proj", "ffn_up");
    NAMES.put("mlp.down_proj", "ffn_down");
  }

  private final JsonNode config;
  private final GgufBytes file = new GgufBytes();
  private final String architecture;

  /** Whether attn_kv_b is whole and key_length that of a head, as before the split. */
  private final boolean legacy;

  /** Whether gates and up-projections of experts are one tensor. */
  private final boolean fused;

  GgufTwin(Path directory, String architecture, boolean legacy, boolean fused) {
    try {
      JsonNode whole = ModelFiles.MAPPER.readTree(directory.resolve("config.json").toFile());
      config = whole.path("text_config").isObject() ? whole.path("text_config") : whole;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    this.architecture = architecture;
    this.legacy = legacy;
    this.fused = fused;
    keys();
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      tensors(checkpoint);
    }
  }

  /** The golden case {@code name}, its model in a GGUF file in {@code folder}. */
  static Golden of(String name, Path folder, GgufTwin twin) {
    Golden golden = Golden.read(name);
    // A GGUF file has the published models' dim_model_base whatever the configuration says.
    float factor = 256f / twin.config.path("dim_model_base").floatValue();
    float[] logits = golden.logits().clone();
    for (int i = 0; Float.isFinite(factor) && i < logits.length; i++) {
      logits[i] *= factor;
    }
    return new Golden(
        name,
        twin.file.write(folder.resolve(name + ".gguf")),
        golden.inputIds(),
        logits,
        golden.greedyIds());
  }

  /** Adds keys or tensors. */
  GgufTwin with(Consumer<GgufBytes> change) {
    change.accept(file);
    return this;
  }

  private void u32(String key, String from) {
    if (config.path(from).isNumber()) {
      file.u32(architecture + "." + key, config.path(from).intValue());
    }
  }

  private void f32(String key, JsonNode value) {
    if (value.isNumber()) {
      file.f32(architecture + "." + key, value.floatValue());
    }
  }

  private void u32(String key, int value) {
    file.u32(architecture + "." + key, value);
  }

  private int number(String key) {
    return config.path(key).intValue();
  }

  private void keys() {
    file.text("general.architecture", architecture);
    u32("context_length", "max_position_embeddings");
    u32("embedding_length", "hidden_size");
    u32("block_count", "num_hidden_layers");
    u32("feed_forward_length", "intermediate_size");
    u32("attention.head_count", "num_attention_heads");
    if (!GgufHybrid.is(architecture)) {
      u32("attention.head_count_kv", 1);
    }
    u32("attention.q_lora_rank", "q_lora_rank");
    u32("attention.kv_lora_rank", "kv_lora_rank");
    u32("vocab_size", "vocab_size");
    u32("leading_dense_block_count", "first_k_dense_replace");
    u32("expert_count", "n_routed_experts");
    u32("expert_used_count", "num_experts_per_tok");
    u32("expert_shared_count", "n_shared_experts");
    u32("expert_feed_forward_length", "moe_intermediate_size");
    u32("expert_group_count", "n_group");
    u32("expert_group_used_count", "topk_group");
    u32("rope.dimension_count", "qk_rope_head_dim");
    u32("attention.indexer.head_count", "index_n_heads");
    u32("attention.indexer.key_length", "index_head_dim");
    u32("attention.indexer.top_k", "index_topk");
    JsonNode types = config.path("indexer_types");
    // Old files do not say it.
    if (types.isArray() && !legacy) {
      file.array(
          architecture + ".attention.indexer.types",
          7,
          types.size(),
          types
              .valueStream()
              .map(type -> new byte[] {(byte) (type.asText().equals("full") ? 1 : 0)})
              .toArray(byte[][]::new));
    }
    f32("attention.layer_norm_rms_epsilon", config.path("rms_norm_eps"));
    f32("expert_weights_scale", config.path("routed_scaling_factor"));
    if (config.path("norm_topk_prob").asBoolean()) {
      file.flag(architecture + ".expert_weights_norm", true);
    }
    if (!List.of("deepseek_v2", "mistral4").contains(config.path("model_type").asText())) {
      u32("expert_gating_func", 2);
    }
    GgufHybrid.keys(architecture, config, file);
    int nope = number("qk_nope_head_dim");
    int rope = number("qk_rope_head_dim");
    if (architecture.equals("minicpm3") || legacy) {
      u32("attention.key_length", nope + rope);
      u32("attention.value_length", "v_head_dim");
    } else {
      u32("attention.key_length", number("kv_lora_rank") + rope);
      u32("attention.value_length", "kv_lora_rank");
      u32("attention.key_length_mla", nope + rope);
      u32("attention.value_length_mla", "v_head_dim");
    }
    rotation();
    file.u32("tokenizer.ggml.eos_token_id", 1);
  }

  private void rotation() {
    JsonNode inside =
        config.path("rope_parameters").isObject()
            ? config.path("rope_parameters")
            : config.path("rope_scaling");
    f32(
        "rope.freq_base",
        inside.has("rope_theta") ? inside.path("rope_theta") : config.path("rope_theta"));
    String type = inside.path("rope_type").asText(inside.path("type").asText("default"));
    if (type.equals("yarn")) {
      file.text(architecture + ".rope.scaling.type", type);
      f32("rope.scaling.factor", inside.path("factor"));
      file.u32(
          architecture + ".rope.scaling.original_context_length",
          inside.path("original_max_position_embeddings").intValue());
      f32("rope.scaling.yarn_beta_fast", inside.path("beta_fast"));
      f32("rope.scaling.yarn_beta_slow", inside.path("beta_slow"));
      if (inside.has("mscale_all_dim")) {
        file.f32(
            architecture + ".rope.scaling.yarn_log_multiplier",
            (float) (0.1 * inside.path("mscale_all_dim").doubleValue()));
      }
    }
    if (type.equals("longrope")) {
      for (String factor : new String[] {"short", "long"}) {
        JsonNode list = inside.path(factor + "_factor");
        float[] values = new float[list.size()];
        for (int i = 0; i < values.length; i++) {
          values[i] = list.get(i).floatValue();
        }
        file.tensor(
            "rope_factors_" + factor + ".weight", 0, GgufBytes.floats(values), values.length);
      }
      if (inside.has("original_max_position_embeddings")
          || config.has("original_max_position_embeddings")) {
        file.u32(
            architecture + ".rope.scaling.original_context_length",
            inside
                .path("original_max_position_embeddings")
                .asInt(config.path("original_max_position_embeddings").asInt()));
      }
    }
  }

  private void tensors(Checkpoint checkpoint) {
    boolean tied = config.path("tie_word_embeddings").asBoolean();
    int layers = number("num_hidden_layers");
    Predicate<String> wanted =
        name ->
            !(tied && name.startsWith("lm_head"))
                && !(name.startsWith("model.layers.")
                    && Integer.parseInt(name.split("\\.")[2]) >= layers);
    Map<String, Map<Integer, StoredTensor>> experts = new TreeMap<>();
    for (StoredTensor stored : checkpoint.tensors().values()) {
      StoredTensor tensor = GgufHybrid.renamed(stored);
      String name = tensor.name().replace("language_model.", "");
      if (!wanted.test(name) || name.contains("vision") || name.contains("projector")) {
        continue;
      }
      if (tensor.shape().size() == 3 && name.contains(".mlp.experts.")) {
        String stack = name.replace("mlp.experts.gate_up_proj", "ffn_gate_up_exps.weight");
        stack = stack.replace("mlp.experts.down_proj", "ffn_down_exps.weight");
        file.tensor(
            stack.replace("model.layers.", "blk."),
            type(tensor),
            bytes(tensor),
            tensor.shape().get(2),
            tensor.shape().get(1),
            tensor.shape().get(0));
      } else if (name.contains(".mlp.experts.")) {
        String[] parts = name.split("\\.");
        String stack = "blk." + parts[2] + ".ffn_" + parts[6].replace("_proj", "") + "_exps.weight";
        experts
            .computeIfAbsent(stack, _ -> new TreeMap<>())
            .put(Integer.parseInt(parts[5]), tensor);
      } else {
        plain(name, tensor);
      }
    }
    experts.forEach((name, stack) -> stacked(name, stack, experts));
  }

  private void plain(String published, StoredTensor tensor) {
    String name = published;
    if (GgufHybrid.write(tensor, file)) {
      return;
    }
    for (Map.Entry<String, String> entry : NAMES.entrySet()) {
      name = name.replace(entry.getKey(), entry.getValue());
    }
    if (name.endsWith("attn_kv_b.weight") && !legacy && !architecture.equals("minicpm3")) {
      split(name, tensor);
    } else if (tensor.shape().size() == 1) {
      file.tensor(name, 0, GgufBytes.floats(tensor.toFloats()), tensor.elements());
    } else {
      file.tensor(name, type(tensor), bytes(tensor), tensor.shape().get(1), tensor.shape().get(0));
    }
  }

  private static int type(StoredTensor tensor) {
    return switch (tensor.type()) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 30;
      default -> throw new IllegalStateException(tensor.name());
    };
  }

  private static byte[] bytes(StoredTensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_BYTE);
  }

  /** W_UK of each head transposed, W_UV as it is. */
  private void split(String name, StoredTensor tensor) {
    int heads = number("num_attention_heads");
    int nope = number("qk_nope_head_dim");
    int value = number("v_head_dim");
    int latent = number("kv_lora_rank");
    int size = tensor.type() == StoredType.F32 ? 4 : 2;
    byte[] from = bytes(tensor);
    byte[] keys = new byte[heads * nope * latent * size];
    byte[] values = new byte[heads * value * latent * size];
    for (int h = 0; h < heads; h++) {
      int head = h * (nope + value);
      for (int i = 0; i < nope; i++) {
        for (int j = 0; j < latent; j++) {
          int to = (h * latent + j) * nope + i;
          System.arraycopy(from, ((head + i) * latent + j) * size, keys, to * size, size);
        }
      }
      System.arraycopy(
          from,
          (head + nope) * latent * size,
          values,
          h * value * latent * size,
          value * latent * size);
    }
    file.tensor(name.replace("kv_b", "k_b"), type(tensor), keys, nope, latent, heads);
    file.tensor(name.replace("kv_b", "v_b"), type(tensor), values, latent, value, heads);
  }

  private void stacked(
      String name,
      Map<Integer, StoredTensor> stack,
      Map<String, Map<Integer, StoredTensor>> experts) {
    if (fused && name.contains("ffn_up_exps")) {
      return;
    }
    boolean both = fused && name.contains("ffn_gate_exps");
    Map<Integer, StoredTensor> second = both ? experts.get(name.replace("gate", "up")) : Map.of();
    StoredTensor first = stack.get(0);
    int part = (int) first.segment().byteSize();
    int width = both ? 2 * part : part;
    byte[] all = new byte[width * stack.size()];
    stack.forEach(
        (e, tensor) -> {
          System.arraycopy(bytes(tensor), 0, all, e * width, part);
          if (both) {
            System.arraycopy(bytes(second.get(e)), 0, all, e * width + part, part);
          }
        });
    file.tensor(
        both ? name.replace("gate", "gate_up") : name,
        type(first),
        all,
        first.shape().get(1),
        first.shape().get(0) * (both ? 2 : 1),
        stack.size());
  }
}
