"""Writes a model folder (config.json, safetensors) as one GGUF file of the deepseek2 layout. Usage: gguf_file.py FOLDER FILE

Matrices keep their type, vectors become f32, and kv_b_proj is split into the two factors that llama.cpp absorbs. The tokens of the
vocabulary have made-up texts: benchmarks feed ids. Works in the environment of the peers (numpy, gguf).
"""

import json
import mmap
import sys
from pathlib import Path

import gguf
import numpy as np

TYPES = {
    "BF16": (np.uint16, gguf.GGMLQuantizationType.BF16),
    "F16": (np.float16, gguf.GGMLQuantizationType.F16),
    "F32": (np.float32, gguf.GGMLQuantizationType.F32),
}


class Checkpoint:
    """The tensors of all safetensors files of a folder, mapped."""

    def __init__(self, folder):
        self.tensors = {}
        for file in sorted(folder.glob("*.safetensors")):
            with open(file, "rb") as opened:
                data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            size = int.from_bytes(data[:8], "little")
            for name, entry in json.loads(data[8 : 8 + size]).items():
                if name != "__metadata__":
                    begin, end = entry["data_offsets"]
                    numbers, kind = TYPES[entry["dtype"]]
                    array = np.frombuffer(
                        data, numbers, (end - begin) // numbers().itemsize, 8 + size + begin
                    )
                    self.tensors[name] = array.reshape(entry["shape"]), kind

    def __contains__(self, name):
        return name in self.tensors

    def get(self, name):
        return self.tensors[name]


def as_float(array, kind):
    if kind == gguf.GGMLQuantizationType.BF16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def add_yarn(writer, rotary):
    """YaRN as DeepSeek has it; llama.cpp takes the scale of the scores from the logarithm's factor."""
    if (rotary.get("beta_fast", 32), rotary.get("beta_slow", 1)) != (32, 1):
        raise ValueError("YaRN with other betas than 32 and 1 is not written")
    if rotary.get("mscale", 1) != rotary.get("mscale_all_dim", 0):
        raise ValueError("YaRN with an mscale that differs from mscale_all_dim is not written")
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(float(rotary["factor"]))
    writer.add_rope_scaling_orig_ctx_len(rotary["original_max_position_embeddings"])
    writer.add_rope_scaling_yarn_log_mul(0.1 * rotary["mscale_all_dim"])


def metadata(writer, config, layers):
    """The keys that both readers ask for."""
    heads, experts = config["num_attention_heads"], config.get("n_routed_experts") or 0
    latent, rope, nope = config["kv_lora_rank"], config["qk_rope_head_dim"], config["qk_nope_head_dim"]
    rotary = config.get("rope_parameters") or config.get("rope_scaling") or {}
    scaling = rotary.get("rope_type") or rotary.get("type") or "default"
    if scaling == "yarn":
        add_yarn(writer, rotary)
    elif scaling != "default":
        raise ValueError(f"rope scaling {scaling} is not written; allowed: default, yarn")
    if not config.get("rope_interleave", True):
        raise ValueError("rope_interleave false is not written; allowed: true")
    writer.add_name("model")
    writer.add_block_count(layers)
    writer.add_context_length(config.get("max_position_embeddings", 163840))
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(config.get("rope_theta") or rotary.get("rope_theta", 10000.0)))
    writer.add_rope_dimension_count(rope)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_q_lora_rank(config.get("q_lora_rank") or 0)
    writer.add_kv_lora_rank(latent)
    writer.add_key_length(latent + rope)
    writer.add_value_length(latent)
    writer.add_key_length_mla(nope + rope)
    writer.add_value_length_mla(config["v_head_dim"])
    dense = min(layers, config.get("first_k_dense_replace", 0)) if experts else layers
    writer.add_leading_dense_block_count(dense)
    if dense < layers:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_group_count(config.get("n_group") or 1)
        writer.add_expert_group_used_count(config.get("topk_group") or 1)
    writer.add_expert_feed_forward_length(config.get("moe_intermediate_size") or 1408)
    writer.add_expert_shared_count(config.get("n_shared_experts") or 1)
    writer.add_expert_weights_scale(config.get("routed_scaling_factor") or 1.0)
    sigmoid = (
        config.get("scoring_func", "sigmoid" if config["model_type"] == "deepseek_v3" else "softmax")
        == "sigmoid"
    )
    writer.add_expert_weights_norm(config.get("norm_topk_prob", sigmoid))
    writer.add_expert_gating_func(
        gguf.ExpertGatingFuncType.SIGMOID if sigmoid else gguf.ExpertGatingFuncType.SOFTMAX
    )
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-llm")
    writer.add_token_list([f"t{i}" for i in range(config["vocab_size"])])
    writer.add_token_types([1] * config["vocab_size"])
    writer.add_token_merges(["t 0"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    return dense


def write(folder, file):
    config = json.loads((folder / "config.json").read_text())
    checkpoint = Checkpoint(folder)
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    writer = gguf.GGUFWriter(file, "deepseek2")
    dense = metadata(writer, config, layers)

    def matrix(name, array, kind):
        array = np.ascontiguousarray(array)
        # gguf wants the types that numpy lacks as bytes.
        writer.add_tensor(name, array.view(np.uint8) if array.dtype == np.uint16 else array, raw_dtype=kind)

    def copy(name, source):
        matrix(name, *checkpoint.get(source))

    def vector(name, source):
        writer.add_tensor(name, as_float(*checkpoint.get(source)))

    copy("token_embd.weight", "model.embed_tokens.weight")
    vector("output_norm.weight", "model.norm.weight")
    copy("output.weight", "lm_head.weight" if "lm_head.weight" in checkpoint else "model.embed_tokens.weight")
    for i in range(layers):
        block, layer = f"blk.{i}.", f"model.layers.{i}."
        attention = layer + "self_attn."
        vector(block + "attn_norm.weight", layer + "input_layernorm.weight")
        vector(block + "ffn_norm.weight", layer + "post_attention_layernorm.weight")
        vector(block + "attn_kv_a_norm.weight", attention + "kv_a_layernorm.weight")
        if config.get("q_lora_rank"):
            vector(block + "attn_q_a_norm.weight", attention + "q_a_layernorm.weight")
            copy(block + "attn_q_a.weight", attention + "q_a_proj.weight")
            copy(block + "attn_q_b.weight", attention + "q_b_proj.weight")
        else:
            copy(block + "attn_q.weight", attention + "q_proj.weight")
        copy(block + "attn_kv_a_mqa.weight", attention + "kv_a_proj_with_mqa.weight")
        copy(block + "attn_output.weight", attention + "o_proj.weight")
        array, kind = checkpoint.get(attention + "kv_b_proj.weight")
        # (heads, nope + v, latent): the key part transposed, the value part as it is.
        per_head = array.reshape(heads, -1, config["kv_lora_rank"])
        matrix(block + "attn_k_b.weight", per_head[:, : config["qk_nope_head_dim"]].transpose(0, 2, 1), kind)
        matrix(block + "attn_v_b.weight", per_head[:, config["qk_nope_head_dim"] :], kind)
        parts = ("gate", "up", "down")
        if i < dense:
            for part in parts:
                copy(f"{block}ffn_{part}.weight", f"{layer}mlp.{part}_proj.weight")
            continue
        vector(block + "ffn_gate_inp.weight", layer + "mlp.gate.weight")
        if layer + "mlp.gate.e_score_correction_bias" in checkpoint:
            vector(block + "exp_probs_b.bias", layer + "mlp.gate.e_score_correction_bias")
        for part in parts:
            experts = [
                checkpoint.get(f"{layer}mlp.experts.{e}.{part}_proj.weight")
                for e in range(config["n_routed_experts"])
            ]
            matrix(f"{block}ffn_{part}_exps.weight", np.stack([array for array, _ in experts]), experts[0][1])
            copy(f"{block}ffn_{part}_shexp.weight", f"{layer}mlp.shared_experts.{part}_proj.weight")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    folder, file = Path(sys.argv[1]), Path(sys.argv[2])
    unfinished = file.with_suffix(".unfinished")
    try:
        write(folder, unfinished)
    except (KeyError, ValueError, OSError) as e:
        sys.exit(f"{folder} cannot be written as GGUF: {e}")
    unfinished.rename(file)
