#!/usr/bin/env python3
"""Makes golden cases of models that cache keys and values: small random ones, and what Hugging Face transformers computes with them.

llama-mha     as many keys and values as heads, biases of all projections, Llama 3's rotation
llama-mqa     one head of keys and values, heads wider than hidden_size over their number, YaRN, embedding tied
qwen2-gqa     biases of queries, keys and values, a window that use_sliding_window turns off, embedding tied
qwen3-gqa     heads of queries and keys normed
mistral-gqa   three heads of keys and values, no window

usage: make_grouped.py CASES, the folder of golden cases (needs torch and transformers 5.24)"""
import json
import os
import sys

import torch
import transformers
from safetensors.torch import save_file

MADE_WITH = f"transformers {transformers.__version__}, torch {torch.__version__}, scripts/golden/make_grouped.py"
TOKENS, PROMPT, GREEDY = 72, 36, 16
SMALL = dict(vocab_size=320, hidden_size=64, intermediate_size=112, num_hidden_layers=3, max_position_embeddings=256, bos_token_id=0,
             eos_token_id=1)
CASES = {
    "llama-mha": ("Llama", dict(num_attention_heads=4, num_key_value_heads=4, attention_bias=True, rope_parameters={
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32})),
    "llama-mqa": ("Llama", dict(num_attention_heads=4, num_key_value_heads=1, head_dim=24, tie_word_embeddings=True, rope_parameters={
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "original_max_position_embeddings": 32})),
    "qwen2-gqa": ("Qwen2", dict(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, sliding_window=16)),
    "qwen3-gqa": ("Qwen3", dict(num_attention_heads=4, num_key_value_heads=2, head_dim=32)),
    "mistral-gqa": ("Mistral", dict(num_attention_heads=6, num_key_value_heads=3, head_dim=16, sliding_window=None)),
}


def make(name, kind, options, seed):
    torch.manual_seed(seed)
    config = getattr(transformers, kind + "Config")(**SMALL, **options)
    model = getattr(transformers, kind + "ForCausalLM")(config).eval()
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            wide = 1 if "norm" in key else 0
            tensor.copy_((wide + torch.randn_like(tensor) * (0.3 if tensor.dim() == 1 else 0.9 * tensor.shape[1] ** -0.5)).bfloat16().float())
        ids = torch.randint(2, SMALL["vocab_size"], (1, TOKENS))
        logits = model(ids).logits[0]
        text, margin = ids[:, :PROMPT], float("inf")
        for _ in range(GREEDY):
            best = model(text).logits[0, -1].topk(2)
            margin = min(margin, float(best.values[0] - best.values[1]))
            text = torch.cat([text, best.indices[:1][None]], 1)
    if margin < 0.05 or 1 in text[0, PROMPT:]:
        return False
    folder = os.path.join(sys.argv[1], name)
    os.makedirs(folder, exist_ok=True)
    stored = {key: value.bfloat16().contiguous() for key, value in model.state_dict().items()
              if not (config.tie_word_embeddings and key == "lm_head.weight")}
    save_file(stored, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    save_file({"input_ids": ids[0], "logits": logits.contiguous(), "greedy_ids": text[0]},
              os.path.join(folder, "golden.safetensors"), {"made_with": MADE_WITH})
    written = {key: value for key, value in config.to_diff_dict().items() if not key.startswith("_")}
    written.update({key: value for key, value in options.items() if key == "sliding_window"})  # the class drops one that is off
    json.dump(dict(written, model_type=config.model_type), open(os.path.join(folder, "config.json"), "w"), indent=1, sort_keys=True)
    print(name, "seed", seed, "margin", margin, "largest logit", float(logits.abs().max()))
    return True


for case, (architecture, keys) in CASES.items():
    next(seed for seed in range(1000) if make(case, architecture, keys, seed))
