#!/usr/bin/env bash
# llama.cpp as of October 2026 (PyPI: xllamacpp 2026.10.11549, gguf 0.19.0, Python 3.11): whether a deepseek2 GGUF has a low-rank query is
# decided by the number of its layers, not by its tensors or by the key deepseek2.attention.q_lora_rank. With 26 or 27 layers (V2-Lite's)
# attn_q is asked for and a file with attn_q_a and attn_q_b is refused; with any other number it is the other way round, so a file without
# the key, which says that there is none, is refused too.
#
# One would expect the key that the file has, or lacks, to count: models of 26 to 28 layers are made by distilling and pruning, and by
# converting others to MLA.
#
# Output seen: the lines at the end. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6
cat >"$folder/load.py" <<'PYTHON'
import os
import sys

import gguf
import numpy as np
import xllamacpp

HIDDEN, HEADS, QUERY, LATENT, ROPE, NOPE, VALUE, INNER, VOCABULARY = 64, 2, 32, 32, 16, 16, 16, 64, 64


def write(path, layers, low_rank):
    random = np.random.default_rng(0)
    w = gguf.GGUFWriter(path, "deepseek2")
    w.add_block_count(layers)
    w.add_context_length(64)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(INNER)
    w.add_head_count(HEADS)
    w.add_head_count_kv(1)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(10000.0)
    w.add_rope_dimension_count(ROPE)
    w.add_leading_dense_block_count(layers)
    w.add_vocab_size(VOCABULARY)
    w.add_kv_lora_rank(LATENT)
    if low_rank:
        w.add_q_lora_rank(QUERY)
    w.add_key_length(LATENT + ROPE)
    w.add_value_length(LATENT)
    w.add_key_length_mla(NOPE + ROPE)
    w.add_value_length_mla(VALUE)
    w.add_expert_feed_forward_length(32)
    w.add_expert_count(0)
    w.add_expert_used_count(0)
    w.add_expert_shared_count(1)
    w.add_expert_weights_scale(1.0)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("deepseek-llm")
    w.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    w.add_token_types([1] * VOCABULARY)
    w.add_token_merges(["t 0"])
    w.add_bos_token_id(0)
    w.add_eos_token_id(1)

    def matrix(name, *shape):
        w.add_tensor(name, (random.standard_normal(shape) * 0.05).astype(np.float32))

    def ones(name, n):
        w.add_tensor(name, np.ones(n, np.float32))

    matrix("token_embd.weight", VOCABULARY, HIDDEN)
    ones("output_norm.weight", HIDDEN)
    matrix("output.weight", VOCABULARY, HIDDEN)
    for i in range(layers):
        block = f"blk.{i}."
        ones(block + "attn_norm.weight", HIDDEN)
        ones(block + "ffn_norm.weight", HIDDEN)
        ones(block + "attn_kv_a_norm.weight", LATENT)
        if low_rank:
            matrix(block + "attn_q_a.weight", QUERY, HIDDEN)
            ones(block + "attn_q_a_norm.weight", QUERY)
            matrix(block + "attn_q_b.weight", HEADS * (NOPE + ROPE), QUERY)
        else:
            matrix(block + "attn_q.weight", HEADS * (NOPE + ROPE), HIDDEN)
        matrix(block + "attn_kv_a_mqa.weight", LATENT + ROPE, HIDDEN)
        matrix(block + "attn_k_b.weight", HEADS, LATENT, NOPE)
        matrix(block + "attn_v_b.weight", HEADS, VALUE, LATENT)
        matrix(block + "attn_output.weight", HIDDEN, HEADS * VALUE)
        matrix(block + "ffn_gate.weight", INNER, HIDDEN)
        matrix(block + "ffn_up.weight", INNER, HIDDEN)
        matrix(block + "ffn_down.weight", HIDDEN, INNER)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


layers, low_rank = int(sys.argv[2]), sys.argv[3] == "with"
path = f"{sys.argv[1]}/model.gguf"
write(path, layers, low_rank)
params = xllamacpp.CommonParams()
params.model.path = path
params.n_ctx = 64
params.cpuparams.n_threads = 1
params.warmup = False
try:
    server = xllamacpp.Server(params)
    result = "loaded"
except RuntimeError:
    result = "refused"
print(f"{layers} layers {sys.argv[3]} a low-rank query: {result}", flush=True)
os._exit(0)  # the server of the package does not always end
PYTHON
for model in "25 with" "26 with" "27 with" "28 with" "27 without" "28 without"; do
  # shellcheck disable=SC2086
  timeout 120 "$folder/venv/bin/python" "$folder/load.py" "$folder" $model 2>>"$folder/log"
done | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
25 layers with a low-rank query: loaded
26 layers with a low-rank query: refused
27 layers with a low-rank query: refused
28 layers with a low-rank query: loaded
27 layers without a low-rank query: loaded
28 layers without a low-rank query: refused
SEEN
grep -a -q "tensor 'blk.0.attn_q.weight' not found" "$folder/log"
grep -a -q "key not found in model: deepseek2.attention.q_lora_rank" "$folder/log"
