#!/usr/bin/env bash
# llama.cpp as of October 2026 (PyPI: xllamacpp 2026.10.11549, gguf 0.19.0, tiktoken 0.14.0, regex 2026.11.19, Python 3.11): in a GGUF whose
# tokenizer.ggml.pre is gpt-4o (or tekken, kimi-k2), a letter and the combining mark behind it are cut apart before tokens are merged. The pattern
# that these vocabularies were trained with, o200k_base's in tiktoken itself, counts marks among the letters and keeps them in one piece.
#
# One would expect the pattern that the name stands for. Hindi, Thai or Tamil text gets other ids than the model was trained on, and more of
# them; with pre deepseek-v3, whose pattern has marks too, llama.cpp gives the whole piece.
#
# The text is Devanagari ka with the vowel sign i; the vocabulary has the bytes and one token for both. Output seen: the lines at the end. Fails if
# that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6 tiktoken==0.14.0 regex==2026.11.19
cat >"$folder/cut.py" <<'PYTHON'
import json
import os
import sys
import urllib.request

import gguf
import numpy as np
import regex
import tiktoken_ext.openai_public as published
import xllamacpp

folder, pre = sys.argv[1:]
text = "कि"
published.load_tiktoken_bpe = lambda *arguments, **keywords: {}  # the pattern alone, nothing is fetched
pieces = regex.findall(published.o200k_base()["pat_str"], text)

visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
hidden = [b for b in range(256) if b not in visible]
character = {b: chr(b) for b in visible} | {b: chr(256 + i) for i, b in enumerate(hidden)}
word = lambda data: "".join(character[b] for b in data)
ka, sign = (c.encode() for c in text)
tokens = [word([b]) for b in range(256)] + [word(ka[:2]), word(ka), word(sign), word(ka + sign), "<s>", "</s>"]
merges = [f"{word(a)} {word(b)}" for a, b in ((ka[:1], ka[1:2]), (ka[:2], ka[2:]), (sign[:2], sign[2:]), (ka, sign))]

HIDDEN, HEADS, QUERY, LATENT, ROPE, NOPE, VALUE, INNER = 64, 2, 32, 32, 16, 16, 16, 64
random = np.random.default_rng(0)
w = gguf.GGUFWriter(folder + "/model.gguf", "deepseek2")
w.add_block_count(1)
w.add_context_length(64)
w.add_embedding_length(HIDDEN)
w.add_feed_forward_length(INNER)
w.add_head_count(HEADS)
w.add_head_count_kv(1)
w.add_layer_norm_rms_eps(1e-6)
w.add_rope_freq_base(10000.0)
w.add_rope_dimension_count(ROPE)
w.add_leading_dense_block_count(1)
w.add_vocab_size(len(tokens))
w.add_q_lora_rank(QUERY)
w.add_kv_lora_rank(LATENT)
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
w.add_tokenizer_pre(pre)
w.add_token_list(tokens)
w.add_token_types([1] * (len(tokens) - 2) + [3, 3])
w.add_token_merges(merges)
w.add_bos_token_id(len(tokens) - 2)
w.add_eos_token_id(len(tokens) - 1)
w.add_add_bos_token(False)


def matrix(name, *shape):
    w.add_tensor(name, (random.standard_normal(shape) * 0.05).astype(np.float32))


def ones(name, n):
    w.add_tensor(name, np.ones(n, np.float32))


matrix("token_embd.weight", len(tokens), HIDDEN)
ones("output_norm.weight", HIDDEN)
matrix("output.weight", len(tokens), HIDDEN)
ones("blk.0.attn_norm.weight", HIDDEN)
ones("blk.0.ffn_norm.weight", HIDDEN)
ones("blk.0.attn_kv_a_norm.weight", LATENT)
ones("blk.0.attn_q_a_norm.weight", QUERY)
matrix("blk.0.attn_q_a.weight", QUERY, HIDDEN)
matrix("blk.0.attn_q_b.weight", HEADS * (NOPE + ROPE), QUERY)
matrix("blk.0.attn_kv_a_mqa.weight", LATENT + ROPE, HIDDEN)
matrix("blk.0.attn_k_b.weight", HEADS, LATENT, NOPE)
matrix("blk.0.attn_v_b.weight", HEADS, VALUE, LATENT)
matrix("blk.0.attn_output.weight", HIDDEN, HEADS * VALUE)
matrix("blk.0.ffn_gate.weight", INNER, HIDDEN)
matrix("blk.0.ffn_up.weight", INNER, HIDDEN)
matrix("blk.0.ffn_down.weight", HIDDEN, INNER)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

params = xllamacpp.CommonParams()
params.model.path = folder + "/model.gguf"
params.n_ctx = 64
params.cpuparams.n_threads = 1
params.warmup = False
server = xllamacpp.Server(params)
request = urllib.request.Request(
    server.listening_address + "/tokenize",
    json.dumps({"content": text, "add_special": False}).encode(),
    {"Content-Type": "application/json"})
ids = json.load(urllib.request.urlopen(request))["tokens"]
print(f"pre {pre}: {len(ids)} tokens by llama.cpp; {len(pieces)} piece by the pattern of o200k_base", flush=True)
os._exit(0)  # the server of the package does not always end
PYTHON
for pre in gpt-4o tekken deepseek-v3; do
  timeout 120 "$folder/venv/bin/python" "$folder/cut.py" "$folder" $pre 2>>"$folder/log"
done >"$folder/seen" || { tail -n 20 "$folder/log"; exit 1; }
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
pre gpt-4o: 2 tokens by llama.cpp; 1 piece by the pattern of o200k_base
pre tekken: 2 tokens by llama.cpp; 1 piece by the pattern of o200k_base
pre deepseek-v3: 1 tokens by llama.cpp; 1 piece by the pattern of o200k_base
SEEN
